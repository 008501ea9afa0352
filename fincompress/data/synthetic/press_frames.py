"""Press frames: plain statements of what happened to a company, for training alone.

`FIGURES` say where a quantity went, `EVENTS` what happened: of `[this|that]` the first is good news
and the second bad. `NO_NEWS` are facts. `generator.py` fills the slots. The real corpora lack such
sentences: a model that has learned from them alone takes "Net loss widened" for good news, and "It
will lay off 400 workers" for none. No frame is one of the behavioural tests'.
"""

FIGURES = """
{q} {past}; {q} {past} in the {nth} quarter; {q} of {co} {past} again
{q} {past} at {who} , as it did in {z}; {co} said on {day} that its {q} {past} {per}
{co} {q} {past} by {by}; {q} {past} {by} , says {co}; {co} : {q} {past} to {new} ( {old} )
{q} was {new} in {y} and {old} in {z} , according to {co}
{per} , {q} {past} to {new} against {old} in {base}
in {y} {co} had {q} of {new} ( {z} : {old} )
{q} of the {sector} company {past} from {old} to {new}; the {city} unit 's {q} {past} by {by}
{a} {noun} in {q} was reported by {who}; {co} sees {a} {noun} in {q}; {noun} in {q} at {co}
we saw {a} {noun} in our {q} , said {person} of {co}; {person} : our {q} {past} by {by}
it was announced that {q} had gone {way} by {by}; {co} 's {q} is {way} {by} on the year
{q} stood at {new} at the end of {month} , {way} from {old}; {q} per employee {past} as well
analysts had counted on {q} of {old} , {co} came out at {new}
{q} is {above} the forecast of {old}; {q} {above} expectations
{q} at {co} was {above} what analysts had in mind; {q} is seen {more} in {next} , {co} says
{co} guides for {more} {q} in {next}
{co} now puts its result for {next} at {better} , not {worse}; {bank} moves {co} to {rating}
{bank} 's new target for {co} is {better} instead of {worse}
{co} earned {better} , analysts had said {worse}; although {contra} , {result} {past} at {co}
{result} {past} at {who} although {contra}; even though {contra} , {co} 's {result} {past}
{contra} - {result} {past} all the same at {co}; {contra}; however , {result} {past}
{result} of {co} {past} in spite of the fact that {contra}; {also} at {co}
{also} , says {person}; {also} and {result} {past}; at {co} {also} {per}
{q} amounted to {new}, the year before it had been {old}
from {old} in {z} to {new} in {y} : {q} of {co}; {z} {old} , {y} {new} - {q} at {co}
{q} {new} after {old} at {co}; {q} of {new} , previously {old}
in {z} , {q} at {co} was {old} , and a year later it was {new}
{co} reports {q} of {new} ( previous year {old} )
{q} of {co} came to {new} , compared with {old} a year before
{co} recorded {q} of {new} in {y} , while the figure for {z} was {old}
{q} at {new} , a year before at {old} , says the report of {co}
{person} : {q} is {new} now , and was {old} in {z}
{co} 's {q} for the first half was {new} , versus {old} for the first half of {z}
the {sector} firm 's {q} : {new} , previous year {old}
{q} in {month} {new} , same month of {z} {old}; {co} had {more} {q} in {y} {than}
{more} {q} at {co}; {more} {q} {per} , {co} says; with {new} , {q} of {co} is {way} {by} on {z}
{q} of {co} will be {more} in {next}; {q} should {verb} in {next} , expects {person}
{co} says that {q} may {verb}; {q} {past} because of the market , {who} explained
{q} {past} in {city} and elsewhere; {q} {past} faster than in {z}
{q} {past} for the whole group by {by} , in {city} even more
the {nth} quarter saw {q} of {co} {verb} to {new}; {co} let its {q} {verb} to {new}
{a} {noun} of {by} : that is the {q} of {co}; {q} has {limit} years of {noun} behind it
"""
EVENTS = """
{co} [makes money|loses money] in {y} , after [losing|earning] {m} in {z}
{co} [moved from a loss to a profit|moved from a profit to a loss] of {m}
[profit|loss] instead of [loss|profit] at {who} {per}
{z} : [loss|profit] , {y} : [profit|loss] at {co}
{co} has [overcome its losses|used up its profits]; the years of [loss|profit] are over for {co}
the loss of {co} [got smaller|got bigger] in {y}; {co} [lost less|lost more] than in {z}
[smaller|larger] loss than last time at {co}; a loss of {m} , [less|more] than in {z}
the loss was [cut to|up to] {better} from {worse} , [as planned|against the plan]
{co} made a loss [that is much smaller than|that is much bigger than] the one of {z}
the margin of {co} has [improved|suffered] because prices went [up|down]
{co} [needed fewer|needed more] dollars to make a dollar of sales
[better|worse] margins at {who}; costs at {co} go up at [a slower|a quicker] rate than sales
sales of {who} [outgrow|lag behind] its costs
expenses went up [less|more] than revenue {per} at {co}
revenue [outran|trailed] expenses at {co}
the cost base of {co} is [shrinking|growing] and so [its profit grows|its profit shrinks]
spending at {co} was [brought down|out of line] {per}
{co} spends [too little to worry anyone|too much]; {co} has [less|more] debt than in {z}
{co} [paid off|took on] debts of {m}; {co} is [no longer in debt|up to its neck in debt]
lenders got [all of|none of] their money back from {co}
{co} has cash [for years|for a few weeks]; cash at {who} is [plentiful|getting scarce]
the cash flow of {who} turned [positive|negative] {per}; cash [came in|drained away] at {co}
{co} [books more|books fewer] orders {than}
order books at {co} are [getting fatter|getting thinner]
orders for {goods} from {co} [poured in|dried out]; [a flood|a lack] of orders at {who}
{co} gets [more|less] work from {co2}; customers of {co} order [more|less] {goods}
{co} [took|gave up] market share {per}; rivals are [losing to|winning against] {co}
{co} [raises|lowers] its forecast for {next}; {co} has become [more|less] confident of {next}
{co} [revises its outlook up|revises its outlook down]; outlook [raised|lowered] at {who}
[earnings upgrade|earnings alert] at {co}
{co} says results will be [better|weaker] than it first thought
guidance for {next} : [up|down] at {co}; the full-year goal of {co} is [raised|out of reach]
the board of {co} is [more upbeat|less upbeat] {than}
[bright|dim] prospects for {co} , it says itself
{bank} is [more positive|more negative] on {co} and says [buy|sell]
{bank} : {co} [upgraded|downgraded]; [upgrade|downgrade] for {co}
{co} [added to|removed from] the buy list of {bank}; {co} price target [hiked|lowered] by {bank}
{bank} [likes|dislikes] {co}; the shares of {co} are [a bargain|overvalued] , {bank} says
{co} pays [a higher|a lower] dividend
the dividend of {co} is [raised|reduced] to {payout} from {paid}; dividend [up|gone] at {co}
{co} [restores|drops] its dividend; shareholders of {co} get [more|nothing] this time
{who} proposes [a bonus dividend|to pay no dividend]
the dividend was [increased|abolished] by {who}; {co} [takes on|dismisses] {n} people
{n} jobs are [added|cut] at {co}; {co} [creates|scraps] {k} jobs at its {city} office
{co} is to [hire|lay off] {k} people
the {sector} company [will recruit|will make redundant] {n} staff
{k} people in {city} [get a job at|are out of a job after cuts at] {co}
{co} plans [no job cuts|job cuts]; [recruitment|job losses] at {who}
headcount to be [increased|slashed] at {co}
the workforce in {city} [grows with the business|shrinks by {k} as business is bad]
{co} [wins|loses] a contract for {goods}; contract for {goods} [goes to|taken away from] {co}
{co2} [orders|cancels its order for] {goods} from {co}; {co} [is picked|is passed over] by {co2}
the deal of {co} with {co2} [is done|has collapsed]; {co2} [signs with|walks out on] {co}
{co} [got|missed out on] a big order; {m} order [for|lost by] {co}
{co} is [allowed|not allowed] to sell its {goods}; officials [say yes to|say no to] {co}
{co} [gets|does not get] permission to build in {city}; permit [issued to|withheld from] {co}
the merger of {co} and {co2} was [cleared|blocked] by regulators
EU [backs|opposes] the plans of {co}; the drug of {co} [gets approved|is turned down]
[approval|rejection] for {co} in Europe; {co} [wins|loses] in court
the judge decides [for|against] {co}; {co} [is acquitted|is convicted] of fraud
complaint against {co} [dismissed|upheld]; {co} [gets|has to pay] {m} after a lawsuit
{co} is [no longer|now] under investigation; police [end|begin] an inquiry into {co}
{co} [has a fine lifted|is fined {m}]; the authority [spares|penalises] {co}
customers [drop their suit against|sue] {co}; regulators [close|open] a case against {co}
{co} [opens|closes] a factory in {city}; {co} [reopens|shuts] its {city} works
the {city} mill of {co} is [saved|to be closed]
{co} [invests {m} in|gives up] its plant in {city}
{co} [starts another line|stops a line] in {city} because demand is [strong|weak]
{co} [enters|retreats from] the market of {goods} [with success|after losses]
{co} [leaves creditor protection|seeks creditor protection]
{co} is [saved from|heading for] bankruptcy; {co} is [solvent again|insolvent]
an administrator is [no longer needed|called in] at {co}; bankruptcy of {co} [prevented|filed]
{co} [survives|does not survive] the crisis; strike at {co} [ends|starts]
staff of {co} are [back at work|on strike]; {co} and the union [make peace|are at odds]
the walkout at {co} is [over|spreading]; drivers of {co} [return to|leave] their posts
the popular head of {co} [stays|quits]; {person} [rescued|ruined] {co} and [stays on|must leave]
{co} [finally finds a strong leader|loses its chief in a row]
the head of {co} [is praised|is thrown out]; {co} stock [up|down] {d} %
{co} [rises|falls] {d} percent on the exchange; share of {co} [climbs|drops] on results
shares in {co} [rocket|collapse]; shares in {co} close [higher|lower] at {payout}
[gains|losses] for {co} holders; {co} [hits a new high|hits a new low]
the shares [went up|went down] after {co} spoke to analysts; the market [rewards|punishes] {co}
{co} [leads|is bottom of] the index today; {co} [tops|misses] estimates
{co} [beat|missed] forecasts {per}; revenue [ahead of|short of] estimates at {co}
profit [better|poorer] than the consensus at {co}; earnings [surprise|disappoint] at {co}
results [above|below] plan at {who}; sales [beat|miss] at {co}
{who} did [better|worse] than anyone foresaw; investors are [pleased by|let down by] {co}
{co} [reached|did not reach] its goals; {co} [kept|broke] its promise of growth
{who} [is back in profit|did not get back to profit]; demand [recovered|did not recover] at {co}
there was [an improvement|no improvement] at {co} {per}
{co} [succeeded|failed] in selling its {goods}
there are [no losses|no profits] at {co} any more; {co} [does not lose|does not earn] money
{co} did not have to [cut jobs|hire anyone] {per} , as business was [fine|poor]
nobody will [lose|get] a job at {co}; no plant will be [closed|opened] in {city} , says {co}
{co} no longer [struggles|grows]; [problems|success] at {co} a thing of the past
{co} is [not in danger|not safe] , says {bank}; the trouble at {co} is [over|not over]
the [crisis|boom] that {co} was [afraid of|waiting for] never came
{co} was spared [the worst|nothing]; it was [less bad|less good] than {co} had [feared|hoped]
{co} [fared better|fared worse] than thought; what {co} had [dreaded|hoped for] did not happen
[fears|hopes] for {co} are gone; sales were [lower|higher] , but {co} [earned more|earned less]
despite [lower|higher] sales {co} made [more|less] profit
{co} [grew|shrank] in a [difficult|good] market; in a [hard|fine] year {co} did [well|badly]
there was [bad|good] weather but {co} had a [good|bad] summer
{co} [gained|lost] though the market [fell|rose]; {co} [better|worse] than a year ago
compared with {z} , {co} did [better|worse]; {y} [beats|falls behind] {z} at {co}
{tick} [looks strong|looks weak]; {tick} [going up|going down] from here; [long|short] {tick}
{tick} [buy|sell]; {tick} [nice move , holding|bad move , getting out]
{tick} chart is [beautiful|broken]; [bullish|bearish] on {tick}
I [bought|sold] {tick} , it will [run|drop]; {tick} [winner|loser] of the day
[love|hate] {tick} right now; {tick} [breakout|breakdown] {d} soon
[great|awful] numbers from {tick}; {tick} [cheap|overpriced] at {d}
{tick} [higher|lower] {d} % premarket; stay [in|away from] {tick}
{tick} [calls paid off|puts paid off]; new {goods} of {co} are [a hit|a dud]
buyers [love|reject] the {goods} of {co}; {co} can [raise|not raise] its prices
{co} [earns well|earns nothing] with {goods}
the factory in {city} runs [at full tilt|far below capacity]
{goods} [sell out|pile up unsold] at {co}; {co} [delivers early|delivers late] again
[no delays|long delays] for {goods} of {co}; {co2} [buys more from|buys less from] {co}
{co} [finds|loses] its largest customer; {co} is [healthy|sick] , writes {bank}
{co} is on the [way up|way down]; a [good|bad] {month} for {co}
{co} has [reason to smile|reason to worry]; [happy|unhappy] owners at {co}
{co} [doubles|halves] its result; {asset} of {co} [doubles|halves]
{co} [triples|loses most of] its profit; {co} [strengthens|weakens] in {city}
{person} [optimistic|gloomy] for {co}; [success|setback] for {co} in {city}
{co} is [firing on all cylinders|running out of steam]; business at {co} is [buoyant|sluggish]
[robust|lacklustre] trading at {co} {per}; [brisk|subdued] demand for {goods} from {co}
{co} enjoys [tailwinds|headwinds] in {city}; conditions [favour|work against] {co}
a [bumper|meagre] year for {co}; [stellar|dismal] quarter at {who}
[upbeat|downbeat] tone at {co}; a weak currency [boosts|dents] the earnings of {co}
new rules [help|hurt] {co}
[higher|lower] prices for {goods} [lift|depress] the earnings of {co}
earnings at {co} were [boosted|dented] by one-off [gains|charges]
{co} books a [gain|charge] of {m}; {co} [posts a windfall|takes a hit] of {m}
a [gift|blow] for {co} : {co2} [pays|defaults]
{co} [rebounds|slips] after a [weak|strong] start; {co} [gains|loses] momentum
green shoots [appear|wither] at {co}; the mood at {co} [brightens|sours]
{co} [bounces back|falls back]; recovery at {co} is [under way|stalling]
{co} [picks up speed|grinds to a halt]; {co} [bolsters|undermines] its finances
the balance sheet of {co} is [solid|shaky]; {co} [has deep pockets|is strapped for money]
{co} [generates plenty of|bleeds] cash; {co} [renews|cannot renew] its credit line
banks [extend|cut] credit to {co}; lenders [stand by|turn their backs on] {co}
suppliers [trust|demand prepayment from] {co}; investors [cheer|boo] {co}
investors [warm to|shy away from] {co}; the market [applauds|frowns on] {co}
{co} [rallies|retreats] on the news; {co} [edges higher|edges lower]
{co} stock [extends gains|extends losses]; {co} shares [bounce|sag] after the report
[rally|rout] in {co} shares; {co} [outshines|lags] its peers
{co} [in demand|under pressure] on the exchange; shares of {co} [in favour|in free fall]
{bank} sees [room for gains|more losses to come] at {co}; {bank} [warms to|cools on] {co}
{bank} says [own|avoid] {co}; {bank} raised its [estimates for|doubts about] {co}
{bank} 's analyst [admires|is fed up with] {co}; top [pick|worry] of {bank} : {co}
{co} [sweetens|trims] its dividend; {co} [lifts|suspends] the payment to its owners
{co} [returns money to|asks for money from] its shareholders; [generous|stingy] {co}
{co} [hires again|freezes hiring]; {co} [calls back workers|sends workers home] in {city}
{co} puts staff on [overtime|short time]
[extra shifts|shorter weeks] at the {city} works of {co}
{co} offers {k} people [a job|a package to leave]; staff [join|are shown the door at] {co}
pink slips at {co} [withdrawn|handed out]; {co} [spares|eliminates] {n} posts
{co} [snaps up|loses out on] a contract; {co2} [chooses|snubs] {co}; {co2} [trusts|drops] {co}
{co} [seals|botches] the sale of its {city} unit; bid of {co} [accepted|rejected]
talks with {co2} [bear fruit|break down]; partnership of {co} and {co2} [flourishes|falls apart]
{co2} [extends|terminates] its contract with {co}; tender in {city} : {co} [first|last]
watchdog [lets {co} off|targets {co}]; {co} [off the hook|in hot water] with regulators
court [frees {co} from|holds {co} to] a claim of {m}
{co} [prevails|is defeated] in a legal battle
{co} [settles an old dispute|faces a new dispute] with the tax office
charges against {co} [dropped|filed]; {co} [gains|is stripped of] a licence
{co} [may export|is barred from exporting] {goods}
health agency [endorses|shelves] the product of {co}; trial of {co} 's drug [succeeds|fails]
{co} 's test results [exceed hopes|are a letdown]; [breakthrough|setback] in research at {co}
{co} [inaugurates|scraps] a plant in {city}; production at {co} [ramps up|is halted]
{co} [modernises|neglects] its {city} site; {co} [builds on|backs out of] its {city} project
bottlenecks at {co} [ease|worsen]; {co} [solves|is plagued by] supply problems
quality at {co} [improves|slips]; {co} customers [satisfied|furious]
{co} [averts|calls in] the receiver; rescue of {co} [agreed|fails]; {co} [stays afloat|sinks]
{co} [emerges from|slides towards] insolvency; [lifeline|last rites] for {co}
{co} [can breathe again|is fighting for survival]; {co} is [out of the woods|on the ropes]
labour dispute at {co} [resolved|flares up]; unions and {co} [shake hands|clash]
workers of {co} [accept|reject] the offer and [work on|stop working]
picket lines at {co} [dissolve|form]; {co} names a [respected|disputed] chief
boss of {co} [earns praise|under fire]; {co} board [united|split]
{co} [regains|loses] the trust of the market; scandal at {co} [cleared up|deepens]
{co} [delivers|disappoints]; {co} [shines|stumbles]; {co} [thrives|suffers]
{co} [prospers|struggles]; {co} [steps up|scales down] growth plans
{co} [in expansion mode|in retreat]; {co} earnings [blow past|fall shy of] forecasts
{co} [surpasses|undercuts] its targets; {co} numbers [delight|alarm] analysts
report of {co} [better|poorer] than hoped for; {co} [outdid|fell behind] forecasts , says {bank}
consensus [too low|too high] for {co}; the feared [slump|hit] at {co} [does not come|comes]
{co} [dodges|cannot dodge] a loss; {co} [will not need|needs] fresh capital
{co} [no longer depends|still depends] on aid
nothing came of the [lay-offs|growth] at {co} that were [feared|promised]
no [write-off|upturn] at {co}; {co} sees no [risk|end] of losses
[neither|both] strike [nor|and] loss at {co}; {co} [is not|is] to blame for the accident
{co} was not [hurt|helped] by the slump; it could have been [worse|better] for {co}
{co} [proves the sceptics wrong|lets its fans down]
{co} [made good|did not make good] on its plan; promised savings at {co} [arrive|fail to arrive]
despite a [downturn|boom] , {co} [did well|did badly]; {co} [up|down] against the trend
sales fell , yet {co} [made more|also made less] money
{co} [copes|does not cope] with rising costs; {contra} , while {result} {past} at {co}
{result} of {co} {past} even as {contra}; {co} bucks the trend as {result} {past}
{result} {past} , though {contra} , at {who}; {co} [at its best|at its worst] since {z}
{y} [outclassed|could not match] {z} at {co}; {co} [improves on|falls behind] last year
[up|down] on {z} : {co}; {co} [ahead of|behind] its {z} figures
{tick} [ready to pop|about to drop]; {tick} [oversold , buying|overbought , selling]
{tick} [bottom is in|top is in]; {tick} [printing money|burning money]
{tick} [upgrade|downgrade] today; got {tick} at {d} , [smiling|crying]; {tick} [solid|junk]
{tick} [accumulate|dump]; {tick} [undervalued|bubble]; {tick} [green all day|red all day]
my {tick} position is [up big|deep under water]; {tick} holders [rejoice|suffer]
{tick} [squeeze|sell-off] coming; {tick} [higher highs|lower lows]
"""
NO_NEWS = """
{q} of {co} was {new} in {y}; {q} amounts to {new}; {co} has {q} of {new} a year
{q} was the same as in {z}; {q} was unchanged at {new}; {q} at {co} stayed flat {per}
{q} was on the level of {z} , {co} said; {co} 's {q} has not changed; {q} remains at {new}
{q} in line with forecasts at {co}; {q} as expected at {co}; {co} met expectations {per}
{co} reported what analysts had expected; the result was on target , neither above nor below
{q} of {co} matched the forecast of {new}; {co} 's figures are in line with its own forecast
{co} sticks to its forecast for {next}; {co} leaves its guidance unchanged
{co} reiterates its outlook; {bank} keeps {co} at hold; {bank} repeats its hold rating for {co}
{bank} begins coverage of {co} with neutral; the dividend stays at {paid}
{co} pays the same dividend as in {z}; the dividend is paid on {date}
{co} is a {sector} company in {city}; {co} comes from {city}; {co} has its seat in {city}
{co} has {n} employees; {co} employs {n} people in {limit} countries; {k} of them work in {city}
{co} was founded in {y}; {co} is the parent of {co2}; {co2} belongs to {co}
{co} owns {share} % of {co2}; the state owns {share} % of {co}
a fund holds {d} % of the votes in {co}; the main owner of {co} is {co2}
{co} is listed in {city}; the shares of {co} are traded under {tick}; {co} has {n} shares
{co} builds {goods}; {co} produces {goods} in {city}; {co} sells {goods} to {co2}
{goods} are made by {co}; {co} provides services to the {sector} industry; {co} designs {goods}
{co} repairs {goods}; the products of {co} are {goods}; {co} leases {goods} to {co2}
{co} imports {goods}; {co} will report on {date}; {co} publishes its report on {date}
the report is due in {month}; the annual meeting of {co} is on {date}
the meeting of {co} is held in {city}; {co} holds a call on {day}
{co} will present its figures in {city}; {co} 's fiscal year ends in {month}
{person} becomes head of {co} in {city}; {person} is the new finance chief of {co}
{co} names {person} to its board; {co} hires {person} as head of the {sector} unit
{person} leaves {co} to retire; {person} has led {co} since {y}
{person} takes up the post at {co} on {date}; {co} appoints {person}
{person} was elected to the board of {co}
{person} follows the former head of {co} , who retires; {person} used to work for {co2}
{co} paid {m} for {co2}; the price was {m}; the price of {co2} was not disclosed
{co} buys a plot in {city}; {co} sold its offices in {city} for {m}; {co} moves to a new office
{co} changes its name to {co2}; {co} and {co2} sign a letter of intent
{co} is in talks with {co2}; {co} says talks with {co2} go on
{co} starts using software of {co2}; {co} renews its website; {co} publishes a new handbook
{co} may buy {co2} , or may not; it is not known whether {co} will sell
{co} declined to comment; the contract of {co} covers {k} {goods}
the agreement between {co} and {co2} runs until {next}; the bond of {co} matures in {next}
the loan of {m} has a fixed rate; {co} has a bank in {city}; {co} tests {goods} in {city}
{co} studies a new site in {city}; {co} considers {goods}
{co} asks its shareholders to vote by post; {co} answers questions of analysts
{co} corrects a typing error; does {co} pay a dividend ?; when does {co} report ?
who owns {co} ?; what does {co} make ?; {tick} reports on {day}; watching {tick} today
{tick} no position; {tick} opens at {d}; anyone looking at {tick} ?; {tick} same as yesterday
{tick} volume {n}; {tick} meeting on {date}; {tick} range {limit} to {d}
the {sector} industry has {k} members; the index has {k} stocks; rates stay where they are
{month} has {limit} holidays; the exchange in {city} is closed on {day}
trading ends at {limit} p.m.; {co} reports in two segments; {co} uses {goods} of {co2}
{co} trains apprentices in {city}; {co} opens its doors to visitors on {day}
the share of exports was {share} %; exports make up {share} % of sales; {co} has {n} customers
{co} has a market value of {m}; the order is worth {m} and had been announced in {month}
research costs {co} {m} a year; {co} spent {m} on machines in {y} , as in {z}; taxes came to {m}
{co} takes part in a study of the {sector} industry; {co} is known for {goods}
{co} has {k} suppliers; {co} uses the same auditor as {co2}
{co} and {co2} are neighbours in {city}; {co} prints its report; {person} speaks for {co}
{person} studied in {city}; {person} sits on the boards of {co} and {co2}
{person} joins {co} from {co2}; {person} moves to the {city} office of {co}
new secretary at {co} : {person}; {co} collects data for its annual report
{co} counts its stock in {month}; {co} hands over {k} {goods}
{co} releases its calendar for {next}; {co} webcast on {day}; {co} report out on {date}
{co} : {q} {new}; {q} at {co} totals {new} {per}; {co} 's {q} is reported as {new}
{co} neither gained nor lost {per}; {co} closes unchanged; {tick} flat on the day
{tick} sideways; {q} meets the forecast; {co} is where it wanted to be; {q} as planned
figures of {co} without surprises; {co} has a licence for {goods}; {co} runs {k} lorries
{co} owns {limit} ships; {co} ships {goods} from {city}; {co} paid for {goods} in {month}
{co} rents {k} {goods}; {co} has insured its {goods}; {co} will decide in {month}
{co} is looking into it; {co} has no comment on {co2}; {co} splits its shares
{co} has one class of shares; the votes of {co2} in {co} are {share} %; {co} is {k} years old
{co} belongs to the {sector} sector; {co} exports to {limit} countries
"""
PRESS_WORDS = {
    "tick": "$AURV; $KOLX; $TMTR; $OSTV; $DRMD; $VSTR; $SRVX; $PLMK; $JRBK; $YKLN",
    "nth": "first; second; third; fourth",
    "day": "Monday; Tuesday; Wednesday; Thursday; Friday",
    "month": "January; February; March; May; June; August; September; October; November",
}
