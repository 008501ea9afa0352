"""A seed becomes a labelled corpus of financial-news sentences, split into train, val and test.

The corpus is synthetic: companies, people, newspapers and figures are invented, and every
sentence is a frame filled from the word tables below. It stands in for a real data set when none
can be downloaded; scores on it say nothing about real news.

The label is the view of an investor. In most sentences no single word gives it away: it is the
product of what is measured (profit or cost), where it went (up or down) and whether the frame
turns that round ("no longer expects"). Neutral sentences use the same quantities and directions.

Every table has three tiers, set apart by "/". The first is common to all splits; the second occurs
in val alone and the third in test alone, so that both ask for more than the words of training.
"""

import random
import re

Item = tuple[str, str]
Tiers = dict[str, list[str]]

SIZES = {"train": 1680, "val": 360, "test": 360}
SHARES = {"positive": 0.25, "negative": 0.14, "neutral": 0.61}
HELD_OUT = 0.5  # chance that a val or test sentence takes a word, or a frame, of its own tier


def _tiers(text: str) -> Tiers:
    parts = [[w.strip() for w in re.split("[;\n]", p) if w.strip()] for p in text.split("/")]
    return dict(zip(SIZES, parts if len(parts) == 3 else parts * 3, strict=True))


# What can move: (a result or a driver of it, +1 if more of it is good). The letter after the colon
# is the unit. Concessive frames set a driver against a result, so that the result decides.
QUANTITIES = {
    ("result", 1): _tiers("""
        operating profit:m; net profit:m; pretax profit:m; underlying profit:m; operating margin:p
        return on capital employed:p; earnings per share:s
        / pretax earnings:m; net income:m; return on equity:p
        / EBITDA:m; group surplus:m; bottom-line earnings:m; profitability:p"""),
    ("result", -1): _tiers("""
        operating loss:m; net loss:m; underlying loss:m; loss per share:s
        / pretax loss:m; loss before taxes:m / group deficit:m; after-tax loss:m"""),
    ("driver", 1): _tiers("""
        net sales:m; order intake:m; order backlog:m; cash flow from operations:m; market share:p
        delivery volumes:t; passenger numbers:n; comparable sales:m; capacity utilisation:h
        subscriber numbers:n; interest income:m; equity ratio:h
        / revenue:m; export sales:m; new orders:m; room occupancy:h; production volumes:t
        / turnover:m; orders on hand:m; advertising income:m; fleet utilisation:h; visitor numbers:n
        """),
    ("driver", -1): _tiers("""
        raw material costs:m; personnel expenses:m; net debt:m; credit losses:m; financing costs:m
        energy costs:m; interest-bearing liabilities:m; fixed costs:m; freight costs:m
        impairment charges:m; customer complaints:n; customer churn:p
        / logistics costs:m; administrative expenses:m; bank debt:m; rental expenses:m
        / overheads:m; write-downs:m; borrowings:m; fuel expenditure:m; wage costs:m"""),
}
UNITS = {  # range of the lower level, decimals, pattern
    "m": (2, 420, 1, "{cur} # {mn}"),
    "s": (0.15, 2.5, 2, "{cur} #"),
    "p": (5, 19, 1, "# %"),
    "h": (41, 60, 1, "# %"),
    "n": (1300, 90000, 0, "#"),
    "t": (2000, 90000, 0, "# tonnes"),
}
MOVES = {  # past tense, infinitive and noun
    1: _tiers("""
        rose|rise|rise; increased|increase|increase; grew|grow|increase; climbed|climb|climb
        / advanced|advance|advance; moved higher|move higher|uptick; picked up|pick up|pick-up
        / surged|surge|surge; jumped|jump|jump; headed up|head up|upturn"""),
    -1: _tiers("""
        fell|fall|fall; decreased|decrease|decrease; declined|decline|decline; dropped|drop|drop
        / slid|slide|slide; moved lower|move lower|downtick; contracted|contract|contraction
        / slumped|slump|slump; dipped|dip|dip; came down|come down|plunge"""),
}
SPECIAL_MOVES = {  # (worth, direction): verbs that only a good quantity, or only a loss, takes
    (1, 1): _tiers(
        "improved|improve|improvement / strengthened|strengthen|strengthening"
        "/ recovered|recover|recovery; bounced back|bounce back|rebound"
    ),
    (1, -1): _tiers(
        "weakened|weaken|weakening / worsened|worsen|worsening"
        "/ deteriorated|deteriorate|deterioration"
    ),
    (-1, 1): _tiers("widened|widen|widening / deepened|deepen|deepening / swelled|swell|swelling"),
    (-1, -1): _tiers("narrowed|narrow|narrowing / eased|ease|easing / shrank|shrink|shrinkage"),
}
BY_MOVE = {  # up|down
    "way": _tiers("up|down"),
    "more": _tiers("higher|lower"),
    "above": _tiers(
        "above|below; higher than|lower than / exceeding|under / topping|undershooting"
    ),
}
BY_OUTCOME = {  # good|bad: what did not happen had been a fear or a hope
    "wished": _tiers("feared|hoped; warned|planned / dreaded|targeted / cautioned|wished"),
    "reason": _tiers("""
        thanks to a successful efficiency programme|hit by a strike at its {city} plant
        as its turnaround plan paid off|because of serious delivery problems
        helped by smooth production in {city}|owing to a fire at its {city} plant
        / with its new strategy bearing fruit|amid severe disruptions in {city}
        on the back of well-run operations|as quality problems piled up
        / reflecting the success of its modern plants|burdened by machine breakdowns
        a reward for excellent management|after a botched system launch"""),
    "rating": _tiers("""
        buy from sell|sell from buy; add from reduce|reduce from add; hold from sell|reduce from hold
        / overweight from underweight|underweight from overweight
        / outperform from underperform|underperform from outperform"""),
}
WORDS = {
    "co": _tiers("""
        Kolvarex; Tuimetra; Ostvarin; Hallendro; Pelmikko; Sarvonex; Drammodal; Lindvargo; Vestrupa
        Ykkelin; Aurvanta; Jorbekka; Rautamar; Skelvik; Taivaro; Mellqvara; Ulvanor
        / Oravelta; Grennholtz; Timbrano; Vaskelo; Stenmarin; Ilvaskar
        / Juurtekno; Brontell; Havskardo; Perkolux; Sydvanger; Zelmora"""),
    "kind": _tiers("""
        Finnish group; Swedish listed company; Norwegian conglomerate; Estonian company
        / Latvian group; Finnish listed company / Danish group; Swedish industrial concern"""),
    "city": _tiers("""
        Helsinki; Tampere; Stockholm; Oslo; Tallinn; Turku; Gdansk; Hamburg; Oulu; Malmo
        / Riga; Lahti; Bergen; Lyon / Vilnius; Vaasa; Aarhus; Leeds"""),
    "goods": _tiers("""
        harbour cranes; lifts; base stations; paper machines; diesel engines; heat pumps
        payment terminals; railway signals; rock drills; ventilation units
        / forest harvesters; welding robots; water meters / wind turbines; packaging lines; ferries
        """),
    "person": _tiers("""
        Aino Kettervaara; Lars Bromdahl; Piia Sorvelin / Mikko Haltiavuo / Signe Aabrink"""),
    "title": _tiers("finance director; head of sales; chairman / treasurer / legal counsel"),
    "street": _tiers("Kivimyllynkatu; Ankargatan / Pajupolku / Havnebakken"),
    "bank": _tiers("Nordhavn Bank; Evarsson Securities / Tallmark Bank / Fjellgard Research"),
    "paper": _tiers("Talousviikari; Bors & Handel / Kauppakajo / Nordmarked"),
    "per": _tiers("""
        in the third quarter of {y}; in January-September {y}; in the first half of {y}; in {y}
        in the second quarter of {y}; in January-March {y}"""),
    "base": _tiers("the corresponding period of {z}; the same period of {z}; the previous year"),
    "date": _tiers("{d} May {y}; {d} August {y}; {d} October {y}; {d} February {y}; {d} March {y}"),
    "cur": _tiers("EUR; EUR; EUR; SEK; NOK; DKK; USD"),
    "mn": _tiers("mn; mn; million"),
    "limit": _tiers("5; 10; 20"),
}
FRAMES = {
    "straight": _tiers("""
        {q} of {co} {past} to {new} {per} from {old}{reason}
        {co} 's {q} {past} by {by} {per}{reason}
        {q} at {co} {past}{reason}
        {co} posted {a} {noun} in {q}{reason}
        {co} expects its {q} to {verb} in {next}{reason}
        {q} at {co} came to {new} {per} , {way} from {old}{reason}
        {co} 's {q} came in at {new} , {above} the {old} forecast by analysts
        although {contra} , {co} 's {result} {past} to {new} {per} from {old}
        {co} 's {result} {past} to {new} {per} as {also}
        / {co} saw its {q} {verb} to {new} {per}{reason}
        {per} , {co} recorded {a} {noun} in {q}{reason}
        {a} {noun} of {by} in {q} was announced by {co}{reason}
        {q} at {co} turned out {more} than analysts had forecast{reason}
        {contra} , but {result} at {co} {past} by {by} {per}
        / {q} , {co} announced , {past} to {new} from {old}{reason}
        analysts had put {co} 's {q} at {old} , but the outcome was {more} , at {new}
        {co} is heading for {a} {noun} in {q}{reason}
        while {contra} , the {result} of {co} {past} by {by} {per}
        against {base} , {co} 's {q} {past} by {by}{reason}"""),
    "reversed": _tiers("""
        {co} no longer expects its {q} to {verb} in {next}
        {co} 's {q} did not {verb} {per} as the company had {wished}
        the {noun} in {co} 's {q} came to an end {per}
        / {co} has withdrawn its estimate that its {q} would {verb} in {next}
        the {noun} in {q} at {co} stopped {per}
        / {co} has abandoned its view that its {q} would {verb} in {next}
        contrary to what {co} had {wished} , its {q} did not {verb} {per}"""),
    "failed": _tiers("""
        {co} 's {q} failed to {verb} {per}
        {co} sees no sign that its {q} will {verb} in {next}
        there was no improvement in {co} 's {q} {per}
        / {co} has not been able to make its {q} {verb} {per}
        / the long-awaited {noun} in {co} 's {q} did not materialise {per}"""),
    "event": _tiers("""
        {co2} has [placed|cancelled] an order worth {m} for {goods} with {co}
        {co} [won|failed to win] the {m} contract to supply {goods} to a customer in {city}
        {co} [raised|lowered] its operating profit forecast for {y} to {better} from {worse}
        {bank} [raised|lowered] its rating on {co} to {rating}
        {co} will [recruit|lay off] {k} employees in {city} because of [strong|weak] demand
        {co} [will not|has to] go ahead with the lay-off of {k} employees at its {city} plant
        {co} proposes a dividend of {payout} per share for {y} , compared with {paid} for {z}
        {co} [returned to profit|made a heavy loss] {per} , with net sales of {m}
        / {co} [clinched|has missed out on] a deal with {co2} on {goods} valued at {m}
        {bank} is more [optimistic|pessimistic] about {co} and moves to {rating}
        {co} is [hiring|shedding] {k} workers in {city} as demand for {goods} is [brisk|sluggish]
        {co} [got back into the black|slipped into the red] {per} , [earning|losing] {m}
        / {co2} [rewarded {co} with|deprived {co} of] a deal on {goods} worth {m} a year
        {bank} [upgraded|downgraded] {co} to {rating}
        {co} [lifted|slashed] its outlook and now sees earnings of {better} , not {worse}
        redundancies at {co} in {city} [were averted|are worse than feared] , unions told {paper}
        {co} swung to a pretax [gain|deficit] of {m} {per}"""),
    "neutral": _tiers("""
        {co} will publish its interim report for {y} on {date}
        {co} will move up the publication of its operating profit for {z} to {date}
        the share capital of {co} rises to {m} after the registration of the new shares on {date}
        the share capital of {co} decreased by {m} when its own shares were cancelled on {date}
        {co} 's holding in {co2} rose to {share} % of the votes on {date}
        {co2} 's share of the votes in {co} fell below the limit of {limit} % on {date}
        {co} 's {driver} stayed unchanged at {old} {per}
        {co} 's {driver} neither {past} nor {opposite} {per}
        {co} reported {asset} of {new} {per}
        {co} declined to comment on whether its {driver} would {verb} in {next}
        the agreement with {co2} has no effect on {co} 's {driver} or operating profit in {y}
        as of {date} {co} will report its {driver} and operating loss by segment
        {co} , a {kind} , employs {n} people and had net sales of {m} in {z}
        {co} leases {n} square metres of space in {city} for its unit that makes {goods}
        {person} has been appointed {title} of {co} as of {date}
        the contract between {co} and {co2} covers {k} {goods} and runs until {next}
        the number of members on the board of {co} increases from five to six on {date}
        a total of {n} shares in {co} were subscribed for with stock options by {date}
        analysts polled by {paper} expect {co} to report {asset} of {new} {per}
        / {co} kept its {driver} flat at {old} {per}
        {co} has yet to say if its {driver} {past} {per}
        {person} is proposed for re-election as auditor of {co} on {date}
        the head office of {co} is located at {street} {k} in {city}
        the profit and loss account of {co} for {z} can be ordered from its office in {city}
        the stake of {co2} in {co} passed {limit} % of the votes on {date}
        the delivery of {k} {goods} from {co} to {co2} is scheduled for {date}
        trading in the {n} new shares of {co} starts on {date}
        / {driver} at {co} held steady at {old} {per}
        {co} would not say how its {driver} had developed {per}
        the ownership of {co2} in {co} crossed the {limit} % threshold on {date}
        {co} brings forward the webcast on its quarterly earnings to {date}
        {co} 's depot for {goods} in {city} , built in {z} , has {k} docks
        a conversion at {co} cut the number of A shares by {n} on {date}
        journalists can ask {title} {person} of {co} about {driver} on {date}
        how overheads and gains are split between {co} and {co2} is agreed in the contract"""),
}
FAMILIES = {
    "positive": ["straight"] * 6 + ["reversed"] + ["event"] * 3,
    "negative": ["straight"] * 5 + ["reversed"] + ["failed"] + ["event"] * 3,
    "neutral": ["neutral"],
}


class _Writer:
    """Writes sentences from the tiers that one split may use."""

    def __init__(self, rng: random.Random, split: str) -> None:
        self.rng, self.split = rng, split

    def pick(self, table: Tiers) -> str:
        return self.rng.choice(table[self.split if self.rng.random() < HELD_OUT else "train"])

    def worth(self) -> int:
        return self.rng.choice([1] * 5 + [-1])

    def move(self, role: str, worth: int, outcome: int) -> list[str]:
        """A quantity, its unit, and the forms of a verb that give it the outcome."""
        special = self.rng.random() < 0.5 and (role, worth) != ("driver", -1)
        moves = SPECIAL_MOVES[worth, outcome * worth] if special else MOVES[outcome * worth]
        return [*self.pick(QUANTITIES[role, worth]).split(":"), *self.pick(moves).split("|")]

    def levels(self, unit: str, up: bool) -> tuple[str, str, str]:
        """A new level, an old one, and the change."""
        least, most, digits, pattern = UNITS[unit]
        low = round(least * (most / least) ** self.rng.random(), digits)
        high = round(low * self.rng.uniform(1.08, 1.5), digits)
        new, old = (
            pattern.replace("#", f"{x:,.{digits}f}") for x in (low, high)[:: -1 if up else 1]
        )
        if pattern.endswith("%"):
            return new, old, f"{high - low:.1f} percentage points"
        return new, old, f"{100 * (high - low) / (low if up else high):.1f} %"

    def sentence(self, label: str) -> str:
        rng, family = self.rng, self.rng.choice(FAMILIES[label])
        frame = self.pick(FRAMES[family])
        outcome = {"positive": 1, "negative": -1}.get(label) or rng.choice([1, -1])
        role = next((r for r in ("result", "driver") if f"{{{r}}}" in frame), "")
        role = role or rng.choice(["result", "driver"])
        worth = 1 if "{asset}" in frame or family == "reversed" else self.worth()
        stated = -outcome if family in ("reversed", "failed") else outcome
        name, unit, past, verb, noun = self.move(role, worth, stated)
        also, contra = (self.move("driver", self.worth(), x) for x in (outcome, -outcome))
        up, year = stated * worth > 0, rng.randint(2004, 2010)

        facts = {slot: self.pick(table) for slot, table in WORDS.items()}
        facts |= {slot: self.pick(t).split("|")[not up] for slot, t in BY_MOVE.items()}
        facts |= {slot: self.pick(t).split("|")[outcome < 0] for slot, t in BY_OUTCOME.items()}
        facts["reason"] = f" , {facts['reason']}" if rng.random() < 0.75 else ""
        facts |= dict.fromkeys(("q", "result", "driver", "asset"), name)
        facts |= {
            "past": past,
            "verb": verb,
            "noun": noun,
            "a": "an" if noun[0] in "aeiou" else "a",
        }
        facts |= {"also": f"{also[0]} {also[2]}", "contra": f"{contra[0]} {contra[2]}"}
        facts |= {"opposite": self.pick(MOVES[-1 if up else 1]).split("|")[0]}
        facts |= zip(("new", "old", "by"), self.levels(unit, up), strict=True)
        facts |= zip(("better", "worse"), self.levels("m", outcome > 0), strict=False)
        facts |= zip(("payout", "paid"), self.levels("s", outcome > 0), strict=False)
        facts |= zip(("m", "m2"), self.levels("m", rng.random() < 0.5), strict=False)
        facts |= {
            "y": f"{year}",
            "z": f"{year - 1}",
            "next": f"{year + 1}",
            "d": f"{rng.randint(1, 28)}",
        }
        facts |= {"k": f"{rng.randint(6, 190)}", "n": f"{rng.randint(300, 9900):,}"}
        facts |= {"share": f"{rng.uniform(5, 45):.2f}"}
        facts["co2"] = rng.choice([c for c in WORDS["co"][self.split] if c != facts["co"]])
        if rng.random() < 0.15:
            facts["co"] = f"{facts['kind']} {facts['co']}"

        # Periods, dates and amounts hold slots of their own, hence the second pass.
        text = frame.format_map(facts).format_map(facts)
        text = re.sub(r"\[(.*?)\|(.*?)\]", r"\1" if outcome > 0 else r"\2", text)
        return f"{text[0].upper()}{text[1:]} ."


def generate(seed: int = 42) -> dict[str, list[Item]]:
    """Return {"train": [...], "val": [...], "test": [...]} of unique (sentence, label) pairs."""
    rng = random.Random(seed)
    seen: set[str] = set()
    corpus: dict[str, list[Item]] = {}
    for split, size in SIZES.items():
        writer = _Writer(rng, split)
        items: list[Item] = []
        for label, share in SHARES.items():
            full = len(items) + round(size * share)
            while len(items) < full:
                text = writer.sentence(label)
                if text not in seen:
                    seen.add(text)
                    items.append((text, label))
        rng.shuffle(items)
        corpus[split] = items
    return corpus
