"""Plain frames of the synthetic corpus: short sentences in everyday words.

Of `[this|that]` the first is good news and the second bad. `generator.py` fills the slots.
"""

from fincompress.data.synthetic.word_tables import tiers

PLAIN = {
    "plain": tiers("""
        {q} {past} {per}; {q} at {who} {past} for the third time in a row
        {q} reached its {extreme} level in {limit} years; {q} turned out {more} {than}
        {q} of {who} may {verb} further; we think that our {q} will {verb} , says {person} of {co}
        {who} had {more} {driver} {than}; {who} [exceeded|did not reach] its target for {asset}
        {who} [made money|lost money] {per}; {who} [earned more|earned less] {than}
        the quarter was [better|worse] {than}; the result was [excellent|terrible]
        {y} was a [good|bad] year for {who}
        the board is [satisfied|dissatisfied] with the figures
        the figures were a [pleasant|nasty] surprise
        the prospects of the {sector} industry have [brightened|darkened]
        {who} looks ahead with [confidence|concern]; trading conditions are getting [better|worse]
        business is going [well|badly] in {city}; things are looking [up|down] for {who}
        the price of {co} 's shares [went up|went down] by {d} percent
        investors are [buying|selling] the shares of {co}
        {co} was the [best|worst] performer on the stock exchange today
        {bank} advises its clients to [buy|sell] shares of {co}
        {bank} [raised|cut] its price target for {co}
        analysts [praise|criticise] the strategy of {co}
        {who} [resumes|suspends] its payments to shareholders
        the payout to shareholders is [bigger|smaller] {than}
        {who} has [repaid|defaulted on] its loans; banks have [granted|refused] {co} a new loan
        {who} has [plenty of|hardly any] money left; {k} new jobs will be [created|lost] in {city}
        [new staff is being taken on|staff is being dismissed] at the {city} plant
        workers at {co} [ended|began] a strike; {co} [received|lost] a big order from {co2}
        demand for {goods} is [picking up|weakening]
        customers are [happy|unhappy] with the {goods} of {co}
        more and more customers [choose|turn away from] {co}
        the new {goods} [sell well|do not sell]
        {who} is [gaining|losing] ground against its competitors
        the project is [ahead of|behind] schedule; the {goods} came [on time|far too late]
        production in {city} [has started again|has come to a halt]
        {co} [won|lost] a court case against {co2}
        the authorities [approved|rejected] the plans of {who}
        {co} was [cleared of|charged with] fraud
        the {goods} of {co} [passed|failed] a safety test
        the merger with {co2} is a [success|failure]
        the takeover of {co2} [pays off|proves a costly mistake]
        expenses are [under control|out of control]; {who} [saves|wastes] millions
        {who} has [escaped|gone into] bankruptcy; the crisis at {co} is [over|getting worse]
        the worst is [behind|still ahead of] {co}
        {co} is [entering|forced to leave] the {sector} market
        the future of {who} is [secure|in doubt]; {who} can [again|no longer] pay its bills
        {who} makes [a profit|a loss] {per}; {who} was hit by [nothing worse than rain|hackers]
        [the sun is shining|clouds are gathering] over the {sector} industry
        the share is [cheap and should rise|too expensive and should fall]
        {goods} from {co} are in [great demand|little demand]; {thing} was {adj}
        {thing} is {adj} , {person} says; {co} calls {thing} {adj}
        {who} gets [good|bad] marks from {bank}; {thing} [has improved|has worsened]
        {thing} gives reason for [joy|worry]; {thing} [made up for|added to] the troubles of {y}
        the mood at {co} is {adj}; {who} [can afford|cannot afford] the new plant
        {who} [attracts|drives away] skilled people
        {who} [has no trouble|has trouble] finding buyers for its {goods}
        staff are [proud of|leaving] {co}; lenders [trust|have lost patience with] {co}
        the owners [put in fresh money|refuse to put in more money]
        {who} [got through the recession unharmed|was badly damaged by the recession]
        {co} [fixed|discovered] a fault in its {goods}
        sick leave is [down|up] at the {city} plant
        {who} now needs [less|more] energy for the same output
        the {goods} are [reliable|unreliable]; {who} [paid back|had to ask for] government aid
        the strike in {city} was [called off|extended]
        the ship arrived [safely|damaged] in {city}
        {who} is [ahead of|lagging] the {sector} industry
        {co} [keeps|has to give up] its place in the stock index
        creditors [agreed to|turned down] the rescue plan; {who} [won back|lost] its licence
        talks with the union ended [in agreement|without result]
        {who} [benefits|suffers] from the weather; {who} [benefits|suffers] from a weak currency
        cheap imports [no longer bother|are ruining] {co}; the tax office [returned|demands] {m}
        the insurance [pays|does not pay] for the accident in {city}
        the new manager [turned the company round|made things worse]
        the plan to save money [has borne fruit|has come to nothing]
        the mine is [richer|poorer] than thought
        the trial of the medicine was [successful|stopped because of side effects]
        the trains of {co} run [on time|late]
        readers are [coming back to|abandoning] the newspaper
        the brand is [popular|out of fashion]; visitors [filled|stayed away from] the hotels
        the harvest was [plentiful|destroyed by frost]; {co} [sets a record|hits a low] in {city}
        [praise|blame] for the management of {co}; [relief|alarm] at {co}
        {who} [settled|is caught up in] a legal dispute
        {q} [is at a healthy level|is a cause for concern]
        the storm [spared|flattened] the warehouse in {city}
        {who} [reached an important goal|suffered a heavy blow]
        {who} [is worth more|is worth less] {than}; no one doubts that {co} will [succeed|fail]
        {who} [turned down|was forced into] a sale at a low price
        {co} was [awarded|ordered to pay] compensation of {m}
        {who} [escaped without a penalty|got a heavy penalty from the authorities]
        the {goods} of {co} are [allowed|banned] in Europe again
        {who} [may|may not] sell its {goods} abroad
        the health ministry [likes|has doubts about] the product of {co}
        the machines are running [day and night|at half speed]
        {who} [could raise|had to lower] its prices
        {who} [has bought|was forced to sell] a plant in {city}; the tenants [stay|are moving out]
        passengers are [returning|staying at home]
        guests are [booking early|cancelling their trips]
        {co2} [renewed|ended] its agreement with {co}
        {co2} [pays its bills to|has stopped paying] {co}
        the [positive|negative] trend at {co} goes on
        {q} [compares well with|lags behind] that of {co2}; {co} 's creditors are [calm|nervous]
        {who} spends [less|more] on interest; {who} has [reduced|run up] large debts
        the {sector} industry is [booming|in recession]; {who} will [beat|miss] its forecast
        {y} will be [easier|harder] for {who} {than}
        a [rise|slump] in {asset} is expected at {co}; {who} is [hopeful|pessimistic] about {y}
        {person} sees [opportunities|dangers] for {co}
        {person} leaves {co} with [a full till|a pile of debt]
        the bank has [written up|written off] its claims on {co}
        {co} has [made up for|not made up for] the loss of {y}
        the share price is [climbing|sliding] fast
        there is [strong interest|no interest] in the new {goods}; [savings|waste] at {co} of {m}
        {who} [has the money for|cannot pay for] new machines
        {who} [opens a shop|gives up its shop] in {city}; customers pay [more|less] for {goods}
        the accident [did not harm|will cost] {co} a lot
        {who} [won the vote|lost the vote] of its members
        the tests of the new {goods} went [well|wrong]
        the [fall|rise] in fuel prices is [a gift to|a blow for] {who}
        the [discovery|loss] of an oil field will [help|hit] {co}
        a [shortage|glut] of {goods} [pushes up|depresses] the earnings of {co}
        {who} [generates|burns] cash; {co} [shrugs off|is hurt by] new tariffs
        investors [queue for|shun] the bonds of {co}; an investor [joins|walks away from] {co}
        the flotation of {co} was a [triumph|flop]; bad loans at the bank are [rare|piling up]
        claims on the insurer were [few|unusually many]
        the patents of {co} [protect it|have run out]; {co} stays [within|above] its budget
        the new mill costs [less|far more] than was planned; parts are [easy|impossible] to get
        [fewer|more] flights had to be cancelled {when}
        [more|fewer] shoppers came to the stores; [more|fewer] homes were sold in {city}
        the flats in {city} are [nearly all taken|standing empty]
        {who} [increases|halves] its investments in {city}
        {co} [lives up to|does not live up to] the hopes of its owners
        reviews of the new {goods} are [enthusiastic|devastating]
        [a strong finish|a weak finish] to the year for {who}
        [unexpectedly good|unexpectedly poor] figures from {co}
        {co} has [a clear lead|fallen behind] in {goods}
        the value of {co} has [doubled|halved] since {y}
        {who} turned a loss into [a profit|an even bigger loss]
        {who} makes [twice|half] as much money as in {z}
        {asset} was [twice|only half] as high {than}; {who} can pay [a special|no] dividend
        {co} buys back shares [with its spare cash|no more , to save cash]
        the founder [comes back to rescue|resigns after a scandal at] {co}
        the minister [promises help to|threatens] {co}
        a [rich|penniless] buyer was found for {co}; [upbeat|grim] words from {person} of {co}
        we are [proud of|ashamed of] the result , said {person}
        we [gained|lost] many customers , said {person}
        {who} has [more work than it can do|too little work for its staff]
        {who} [takes|loses] business from its rivals
        the {sector} unit [drives growth|drags down the result]; [record|slack] sales of {goods}
        the plant in {city} is [being enlarged|for sale , since no one needs it]
        {who} pays its lenders [early|late]
        its rating was put on watch for [an upgrade|a downgrade]
        the shares of {co} [outdid|trailed] the market
        {co} shares [at a ten-year high|at a ten-year low]; people [trust|distrust] {co}
        the pipeline is [safe|leaking]; {who} [cleaned up|polluted] the river
        a virus [failed to stop|paralysed] the computers of {co}
        / {who} [delighted|disappointed] the market with its {q}; {who} is in [good|poor] health
        the market [welcomed|punished] {co}; the hotels of {co} are [full|half empty]
        {co} [gained|lost] one of its biggest customers; {who} has [enough|too few] orders for {y}
        prices for {goods} are [recovering|collapsing]; {bank} is [positive|negative] on {co}
        the reforms at {co} have [worked|failed]; {co} has [won|lost] the trust of investors
        profit warnings are [a thing of the past at|likely to follow from] {co}
        {thing} leaves {co} in a [strong|weak] position; {co} [shines|stumbles] in {city}
        the {sector} business is a [gold mine|burden] for {co}
        {who} [kept its promises|broke its promises]; the deal [came off|fell through]
        / {who} is [thriving|struggling]; the year [began|ended] [well|in misery] for {who}
        holders of {co} shares are [richer|poorer] today
        {co} 's {goods} are [winning prizes|breaking down]; rivals [envy|have overtaken] {co}
        {co} [found a buyer|found no buyer] for its {goods}
        {bank} [recommends|warns against] {co}; the factory in {city} [is saved|will be shut down]
        {who} [solved|has] serious problems with its suppliers; {q} at {who} {past} once more
        the bond holders [will get all of|may never see] their money
        {thing} [lifts|dampens] spirits at {co}; {co} [flourishes|is in deep trouble]
        {who} [got a clean bill of health|is being sued]
        the venture in {city} was [worth it|a waste of money]
        {co} [is a safe bet|faces ruin]"""),
    "plain neutral": tiers("""
        {q} is neither better nor worse {than}; {q} was as high as a year before
        {q} has hardly changed {per}; there is no change in {q} {per}
        {who} repeats its forecast for {y}
        {who} keeps its payout to shareholders at the level of {z}
        {bank} has a neutral view of {co}; {bank} starts to follow the shares of {co}
        the price of {co} 's shares did not move; one share of {co} carries one vote
        {who} has {n} shareholders; {who} is a supplier of {goods}
        {co} sells its {goods} to the {sector} industry; {co} is part of the {sector} industry
        {co} has offices in {city} and Brussels; {co} was set up in {y}
        the general meeting begins at 10 a.m.; the meeting takes place in {city} on {date}
        the next interim statement is due on {date}; the figures have not been audited
        the period covers twelve months; {person} works for {co} in {city}
        {person} takes over as head of the {sector} unit; {person} stays on the board of {who}
        further information is available from {person}; the contract runs until {y}
        the building has {n} square metres; the two sides keep the price secret
        no decision has been taken yet; {who} is looking at several options
        {who} refused to say more; the {goods} are made in {city}; the unit has {k} employees
        {who} uses software from {co2}; {who} has changed its auditor
        the new name of the unit is {co}; the fiscal year is the calendar year
        {co} reports in two segments; the presentation will be in English
        the transaction has no influence on the result
        the {sector} unit accounts for {d} percent of {q}
        {who} has held shares in {co2} since {y}; {who} is in the {sector} business
        {who} produces {goods} in {city}; {who} rents its offices
        {who} supplies {co2} with {goods}; {who} carries out a survey among its customers
        {who} presents its {goods} at a fair in {city}; {who} holds its investor day in {city}
        {who} declined to give details; {who} gave no reasons; {who} did not name the buyer
        {who} will say more in {y}; {who} expects no change
        {who} files its accounts with the authorities; {who} is owned by a family
        {who} is subject to the laws of the country; {person} takes part in the discussion
        {person} is a member of the committee; {person} succeeds the head of the {city} office
        {person} holds {n} shares; {person} will speak at the conference
        {co} and {co2} have a joint office in {city}; the name comes from the founder
        the price of the {goods} is {m}; the purchase price is {m}
        the loan has a term of {limit} years; the bond matures in {y}
        the interest rate is fixed for {limit} years; the share of exports is {d} percent
        the figures are given in euros; the table shows the figures for {z}
        the audit committee consists of {limit} people; the changes come into force on {date}
        the last day of trading is {date}; shareholders must register by {date}
        a translation is available on request; the site in {city} consists of two buildings
        {k} people work at the site; the deal is subject to approval by the authorities
        the matter is on the agenda; the level of {q} remained the same
        the forecast is neither raised nor lowered; nothing has changed at {co} {per}
        the rating is confirmed; the shares ended the day unchanged
        the rating of {co} is on watch without a direction; {who} holds on to its view of {y}
        {who} manufactures {goods} and similar products; {who} was named after its founder
        the amount of the investment is not known; the agreement applies to the years {z} to {y}
        {person} becomes a member of the board; {person} was chosen as secretary
        {who} has branches in {k} towns; the shares can be bought through any bank
        the payment takes place on {date}; the news conference starts at 9 a.m.
        there were as many employees as in {z}; {co} takes the name {co2}
        {bank} rates {co} as neutral; {who} discloses its figures twice a year
        the {goods} weigh {k} tonnes; {co} and {co2} are talking to each other
        {person} lives in {city}; the order of the agenda was changed
        the old rules remain in force until {date}; {q} amounted to {new}
        {q} is reported once a year; {who} has not set a date; {who} does not publish forecasts
        {who} will not take part in the meeting; {who} has not yet decided on the site
        the {goods} are not part of the agreement; the details will follow {when}
        the office is closed {when}; the figures for {z} come {when}
        the new terms apply from {date}; {person} will not be available {when}
        trading resumes {when}; the interview appears {when}; the decision is expected {when}
        {bank} does not cover {co}; {bank} makes no change to its view of {co}
        {who} meets its investors {when}; it is not known who bought the {goods}
        the contract says nothing about the price
        {who} has its accounts checked by an outside firm; {who} keeps its options open
        {who} owns land near {city}; {who} pays its dividend in two parts
        {who} will show its {goods} {when}; {who} takes no position on the matter
        {person} answers questions from the press; {person} heads the {city} office
        {person} and {co} have agreed on a date; the annual accounts are drawn up in euros
        the name of the chairman is {person}; the sale comprises {k} {goods}
        the stake amounts to {d} percent; the agreement was signed in {city}
        the earnings report follows {when}; the rules apply to all banks
        the plant in {city} makes {goods}; the half-year ends on {date}
        the shareholders meet {when}; a vote on the matter is planned {when}
        the size of the order was kept secret; {q} and the number of staff were stable
        the trend in {q} is flat , says {bank}; costs and income balanced each other
        the offer runs until {date}; the data come from {bank}; there is nothing new at {co}
        {co} and its auditor met {when}
        / the outcome was exactly as in {z}; {who} sees no need to alter its plans
        the board has seven members; {co} operates in the {sector} market
        the {goods} go to a customer in {city}; the shares are not affected by the agreement
        the call starts at noon; {who} trains its own staff; {person} leads the talks
        the factory makes {goods}; the minutes are kept by {person}
        {q} stood where it had stood in {z}
        / {q} did not move {per}; {who} confirms what it said in {z}; {co} belongs to {co2}
        the documents can be ordered from {person}; {co} has moved its registered office to {city}
        the stock closed where it had opened; {who} runs {k} {goods}
        {who} caters to the {sector} industry; {person} opened the session
        {q} is on a par with {z}; {who} remains silent on the matter
        the archive goes back to {z}"""),
}
