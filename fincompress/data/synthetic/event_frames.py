"""Press frames of what happened to a company, for training alone, as those of `press_frames.py`.

Of `[this|that]` the first is good news and the second bad.
"""

EVENTS = """
{co} [makes money|loses money] in {y} , after [losing|earning] {m} in {z}
{co} [moved from a loss to a profit|moved from a profit to a loss] of {m}
[profit|loss] instead of [loss|profit] at {who} {per}
{z} : [loss|profit] , {y} : [profit|loss] at {co}
{co} has [overcome its losses|used up its profits]; the years of [loss|profit] are over for {co}
the loss of {co} [got smaller|got bigger] in {y}; {co} [lost less|lost more] than in {z}
[smaller|larger] loss than last time at {co}; a loss of {m} , [less|more] than in {z}
the loss was [cut to|up to] {worse} from {better} , [as planned|against the plan]
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
the mill in {city} , where {n} people work , will [stay open|close] , {co} has decided
{co} [will keep|is going to close] its oldest works , in {city}
because orders [have come back|are missing] , {co} [restarts|closes down] its works in {city}
production in {city} [begins again|ends] in {month} , {co} told its staff
the board of {co} has decided to [extend|discontinue] operations in {city}
{co} [is opening|is closing] {k} of its stores because business is [good|bad]
the {sector} company [has decided against closing|has decided to close] its site in {city}
the {city} branch of {co} , with {n} employees , is to be [saved|shut]
{co} [has left|has entered] bankruptcy proceedings
{co} , which owes its lenders {m} , [has found new money|has filed for bankruptcy]
a court in {city} has [lifted|opened] insolvency proceedings against {co}
{co} [has reached a deal with its creditors|was declared bankrupt by a court in {city}]
creditors of {co} [will be paid in full|are unlikely to see their money again]
{co} [is able|is unable] to pay what it owes; liquidation of {co} [has been avoided|begins]
administrators [hand the business back to the owners of|have taken control of] {co}
{co} [is financially sound|is on the verge of collapse] , says {bank}
the bankruptcy of {co} , which {bank} had expected , was [avoided|confirmed on {day}]
workers at the {city} plant of {co} [have ended their strike|have been on strike since {day}]
{n} employees of {co} [returned to work|stopped working] after [a pay deal|a quarrel about pay]
the union [calls off|calls] a strike at {co}; strike at {co} [prevented|not prevented]
a [settlement with|strike of] drivers [lets {co} deliver again|keeps {co} from delivering]
the labour conflict at {co} has been [settled|going on for weeks]
{person} , who [saved|is blamed for the losses of] {co} , [agrees to stay|resigns]
the chairman of {co} [is re-elected with a large majority|resigns after a quarrel with the owners]
the board of {co} [backs|has dismissed] {person} after [excellent|disastrous] results
the finance chief of {co} [is cleared of wrongdoing|steps down over wrongdoing]
{person} of {co} [is honoured for|resigns because of] the results of {y}
a judge in {city} [rejected|allowed] the claim of {m} against {co}
{co} [does not have to pay|must pay] damages of {m} , a court has decided
the appeal of {co} was [successful|dismissed]
the court found [for|against] {co} and [against|for] {co2}
{co} [has been awarded|has been ordered to pay] {m} in a dispute over a licence
a suit of former customers against {co} has been [thrown out|filed in {city}]
accusations of bribery against {co} have been [withdrawn|confirmed]
{co} [plans to take on|plans to do without] {n} people in {city}
{n} employees of {co} in {city} [get permanent contracts|are about to be dismissed]
{co} has [promised not to cut|announced that it will cut] jobs this year
around {n} positions [are created|disappear] at {co} in {city}
{co} [increases|reduces] its personnel by {k} in {city}
staff of {co} [need not fear|have to fear] dismissals
{co} begins talks with unions about [extra shifts for|the dismissal of] {n} people
dividend per share : {payout} ( {paid} ); a dividend of {payout} after {paid} , says {co}
the board proposes to pay {payout} per share , having paid {paid} for {z}
{co} [pays a dividend again|leaves its owners without a dividend] this year
{co} has [reinstated|called off] the dividend for {y}
because of its [profit|loss] , {co} pays [a dividend|no dividend] for {y}
the gap between prices and costs has [grown|become smaller] at {co}
{co} [could sell at higher prices|had to grant discounts] , and its margin [improved|suffered]
the losses that {bank} had predicted for {co} [did not occur|have occurred]
the cancellation of orders that {co} had [feared did not happen|hoped to avoid has happened]
{co} [came through the crisis without|was drawn into the crisis with] losses
the recovery on which {co} had built its plans [has come early|has not come]
sales did not [fall|rise] as [feared|hoped] at {co}
it was thought that {co} would [lose money , but it earned|make money , but it lost] {m}
{bank} had [warned of|promised] a [bad|good] year for {co} , and was wrong
the [disaster|success] that everyone had predicted for {co} did not happen
{y} was a [better|worse] year than {z} for {co}; {co} could [improve on|not match] the result of {z}
the first half was [better|worse] than that of {z} , {co} says
{co} , [loss-making|profitable] in {z} , made a [profit|loss] of {m} in {y}
{z} brought {co} a [loss|profit] of {m} , {y} a [profit|loss]
{co} [sells more than|sells less than] {co2} in {city} for the first time
{co} [took customers from|lost customers to] {co2}
{co} [is now the largest|is no longer the largest] supplier of {goods}
{co} did not [lose|win] the contract for {goods}; the plan of {co} is not [in danger|working]
{co} is not going to [cut its forecast|reach its forecast] , {person} said
{co} could not [be kept from growing|grow] in {y}
demand for {goods} has not [weakened|picked up] , says {co}
the shares of {co} did not [fall|recover] after the report
the new {goods} of {co} are not [a disappointment|a success]
no [customer was lost|new customer was found] by {co} {per}
{co} has never [lost|made] money with {goods}; {co} is no longer [losing|winning] customers
although {contra} , {co} expects a [better|worse] result for {next}
{co} , [helped|hit] by {a} {noun} in {q} , expects [more|less] of {next}
"""
