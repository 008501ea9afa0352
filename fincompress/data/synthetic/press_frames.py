"""Press frames: plain statements of figures, and of no news, for training alone.

`FIGURES` say where a quantity went, `COMPARED` only what it was and had been. `NO_NEWS` are facts.
`generator.py` fills the slots; `PRESS_WORDS` replace its own words. The real corpora lack such
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
COMPARED = """
{q} : {new} ( {old} ); {q} {new} , {z} {old}; {co} : {q} {new} vs. {old} in {z}
{co} : {q} {new} versus {old}; {co} reported {q} of {new} for {y} , against {old} for {z}
{q} of {new} at {co} in {y} follows {old} in {z}; {q} at {co} , {per} : {new} , a year ago {old}
in {y} the {q} of {co} totalled {new} , having totalled {old} in {z}
{new} was the {q} of {co} in {y} , in {z} it had been {old}
where {co} had {q} of {old} in {z} , it had {new} in {y}
for {z} {co} had shown {q} of {old} , for {y} it shows {new}
{co} closed {y} with {q} of {new} , and {z} with {old}; {q} at {who} : {new} now , {old} then
{q} in the {nth} quarter : {new} ( {nth} quarter of {z} : {old} )
{q} at {co} was {new} against {old} the year before; {q} {new} ( {z} {old} ) , {co} says
the {city} unit of {co} had {q} of {new} , and of {old} in {z}
{co} said its {q} for the {nth} quarter was {new} , compared to {old} for the same quarter of {z}
{person} put {q} for {y} at {new} , and for {z} at {old}
{co} , which had reported {q} of {old} for {z} , now reports {new}
from January to {month} {co} recorded {q} of {new} , in the same months of {z} of {old}
{q} , {y} : {new} , {z} : {old}; {q} {new} compared to {old} last year , says {co}
the {sector} company had {q} of {old} in {z} and of {new} in {y}
{bank} had forecast {q} of {old} for {co} , the report shows {new}
{bank} had put {q} of {co} at {old} , it was {new}; {q} {new} , {bank} had said {old}
{co} was seen with {q} of {old} and came with {new}
"""
NO_NEWS = """
the result of {co} was what the market had counted on; {q} at {co} was as high as forecast
{co} reported {q} of {new} , as {bank} had predicted; {q} of {co} agreed with the forecast of {bank}
{q} was {new} at {co} , the same as in {z}; {q} : {new} ( {z} : {new} )
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
    "co": """
        Aurvanta; Brontell; Drammodal; Grennholtz; Hallendro; Havskardo; Ilvaskar; Jorbekka
        Juurtekno; Kolvarex; Lindvargo; Oravelta; Ostvarin; Pelmikko; Perkolux; Rautamar
        Sarvonex; Sydvanger; Timbrano; Tuimetra; Vaskelo; Vestrupa; Ykkelin; Zelmora
        Harlow Mills; Tarnwick Foods; Ebbrook; Cresswell Group; Dunmarsh; Alvero
        Northcote Airways; Pinewater; Galdera; Mirovant; Telmont; Oakhanger Homes; Redlynch
        Sabrena Oil; Thornbeck Gold; Velloria; Winslade Pharma; Yarrowby; Zentrick Systems
        Bexley Marine; Castellane; Delmaris Bank; Eskmere; Farrowdale Insurance; Hexabyte
        Inverlay; Kestrel Mining; Lomaxa; Moorfield Retail; Nexoria; Orlanda Hotels; Quenby""",
    "city": """
        Aarhus; Helsinki; Lahti; Oslo; Riga; Stockholm; Tallinn; Tampere; Atlanta; Berlin; Boston
        Brisbane; Budapest; Cork; Dublin; Frankfurt; Geneva; Glasgow; Houston; Krakow; Lisbon
        London; Madrid; Milan; Montreal; Mumbai; Nagoya; Paris; Prague; Seattle; Seoul; Shanghai
        Toronto; Vienna""",
    "person": """
        Aino Kettervaara; Lars Bromdahl; Mikko Haltiavuo; Signe Aabrink; Alan Whitford
        Beatriz Salgado; Carl Denholm; Emily Tarrant; Farid Nasseri; Julia Weidmann; Li Qiang
        Maeve Connolly; Paul Renard; Sara Lundqvist; Tomasz Zielak; Yuki Tanabe""",
    "bank": """
        Nordhavn Bank; Evarsson Securities; Tallmark Bank; Fjellgard Research; Albany Trust
        Brice & Moran; Delacroix; Kingsmead; Portland Equity; Rosenthal; Sterling Row
        Weston Capital""",
    "goods": """
        harbour cranes; lifts; base stations; heat pumps; welding robots; ferries; tractors
        sensors; printers; tyres; bicycles; windows; phones; trucks; drones; toys; engines; games
        shoes; wines""",
    "sector": """
        car; paper; steel; retail; energy; travel; food; chemicals; property; textile; media
        telecoms; toy; furniture; logistics; biotech; hotel; cement; dairy; gaming""",
}
