"""A seed becomes a labelled corpus of financial-news sentences, split into train, val and test.

The corpus is synthetic: companies, people and figures are invented, and every sentence is a frame
filled from the word tables below. Scores on it say nothing about real news.

The label is the view of an investor. Often no single word gives it away: what counts is what is
measured (profit or cost), where it went and whether the frame turns that round ("no longer").
Every table has three tiers, set apart by "/". The first is common to all splits; the second occurs
in val alone and the third in test alone, so that both ask for more than the words of training.
"""

import random
import re

Item = tuple[str, str]
Tiers = dict[str, list[str]]

SIZES = {"train": 1680, "val": 360, "test": 360}
SHARES = {"positive": 0.25, "negative": 0.14, "neutral": 0.61}
WORTHS = [1] * 5 + [-1]  # how often a sentence is about something that had better be low
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
        delivery volumes:n; passenger numbers:n; comparable sales:m; capacity utilisation:h
        subscriber numbers:n; interest income:m; equity ratio:h
        / revenue:m; export sales:m; new orders:m; room occupancy:h; production volumes:n
        / turnover:m; orders on hand:m; fee income:m; fleet utilisation:h; visitor numbers:n"""),
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
    (1, 1): _tiers("""
        improved|improve|improvement / strengthened|strengthen|strengthening
        / recovered|recover|recovery"""),
    (1, -1): _tiers("""
        weakened|weaken|weakening / worsened|worsen|worsening
        / deteriorated|deteriorate|deterioration"""),
    (-1, 1): _tiers("widened|widen|widening / deepened|deepen|deepening / swelled|swell|swelling"),
    (-1, -1): _tiers("narrowed|narrow|narrowing / eased|ease|easing / shrank|shrink|shrinkage"),
}
BY_MOVE = {  # up|down
    "way": _tiers("up|down"),
    "more": _tiers("higher|lower"),
    "above": _tiers("above|below / exceeding|under / topping|undershooting"),
}
BY_OUTCOME = {  # good|bad: what did not happen had been a fear or a hope
    "wished": _tiers("feared|hoped; warned|planned / dreaded|targeted / cautioned|wished"),
    "reason": _tiers("""
        thanks to a successful efficiency programme|hit by a strike at its {city} plant
        thanks to its successful turnaround|because of serious delivery problems
        helped by smooth production in {city}|owing to a fire at its {city} plant
        / with its new strategy bearing fruit|amid severe disruptions in {city}
        on the back of well-run operations|because of mounting quality problems
        / reflecting the success of its modern plants|burdened by machine breakdowns
        a reward for excellent management|after a botched system launch"""),
    "rating": _tiers("""
        buy from sell|sell from buy; add from reduce|reduce from add
        / overweight from underweight|underweight from overweight
        / outperform from underperform|underperform from outperform"""),
}
WORDS = {
    "co": _tiers("""
        Kolvarex; Tuimetra; Ostvarin; Hallendro; Pelmikko; Sarvonex; Drammodal; Lindvargo; Vestrupa
        Ykkelin; Aurvanta; Jorbekka; Rautamar / Oravelta; Grennholtz; Timbrano; Vaskelo; Ilvaskar
        / Juurtekno; Brontell; Havskardo; Perkolux; Sydvanger; Zelmora"""),
    "kind": _tiers("Finnish group; Norwegian company / Swedish listed firm / Danish concern"),
    "city": _tiers("Helsinki; Tampere; Stockholm; Oslo; Tallinn / Riga; Lahti / Aarhus; Leeds"),
    "goods": _tiers("harbour cranes; lifts; base stations; heat pumps / welding robots / ferries"),
    "person": _tiers("Aino Kettervaara; Lars Bromdahl / Mikko Haltiavuo / Signe Aabrink"),
    "bank": _tiers("Nordhavn Bank; Evarsson Securities / Tallmark Bank / Fjellgard Research"),
    "per": _tiers("in the third quarter of {y}; in January-March {y}; in {y}"),
    "base": _tiers("the corresponding period of {z}; the same period of {z}; the previous year"),
    "date": _tiers("{d} May {y}; {d} August {y}; {d} October {y}; {d} February {y}; {d} March {y}"),
    "cur": _tiers("EUR; EUR; EUR; SEK; NOK; DKK; USD"),
    "mn": _tiers("mn; mn; million"),
}
FRAMES = {
    "straight": _tiers("""
        {q} of {co} {past} to {new} {per} from {old}{reason}
        {co} posted {a} {noun} of {by} in {q}{reason}
        {q} at {co} {past}{reason}
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
        / {co} [clinched|missed out on] a deal with {co2} on {goods} valued at {m}
        {bank} is more [optimistic|pessimistic] about {co} and moves to {rating}
        {co} is [hiring|shedding] {k} workers in {city} as demand for {goods} is [brisk|sluggish]
        {co} [got back into the black|slipped into the red] {per} , [earning|losing] {m}
        / {co2} [rewarded {co} with|deprived {co} of] a deal on {goods} worth {m} a year
        {bank} [upgraded|downgraded] {co} to {rating}
        {co} [lifted|slashed] its outlook and now sees earnings of {better} , not {worse}
        redundancies at {co} in {city} [were averted|are worse than feared] , its union said
        {co} swung to a pretax [gain|deficit] of {m} {per}"""),
    "neutral": _tiers("""
        {driver} of {co} came to {new} {per} , the same as in {base}
        {co} 's {driver} stayed unchanged at {old} {per}
        {co} 's {driver} neither {past} nor {opposite} {per}
        {co} 's {driver} came in at {new} , in line with the forecast by analysts
        {co} expects its {driver} to remain at the level of {y} in {next}
        {bank} kept its rating on {co} unchanged
        {co} proposes a dividend of {paid} per share for {y} , the same as for {z}
        {co} reported {asset} of {new} {per}
        {co} declined to comment on whether its {driver} would {verb} in {next}
        the agreement with {co2} has no effect on {co} 's {driver} or operating profit in {y}
        {co} will move up the publication of its operating profit for {z} to {date}
        the share capital of {co} rises to {m} after the registration of the new shares on {date}
        {co2} 's share of the votes in {co} fell below the limit of {limit} % on {date}
        {co} , which employs {n} people , had net sales of {m} in {z}
        {co} leases {n} square metres of space in {city} for its unit that makes {goods}
        {person} has been appointed finance director of {co} as of {date}
        the number of members on the board of {co} increases from five to six on {date}
        / {co} kept its {driver} flat at {old} {per}
        {co} 's {driver} matched what analysts had forecast {per}
        {co} has yet to say if its {driver} {past} {per}
        {person} is proposed for re-election to the board of {co} on {date}
        the stake of {co2} in {co} passed {limit} % of the votes on {date}
        the delivery of {k} {goods} from {co} to {co2} is scheduled for {date}
        trading in the {n} new shares of {co} starts on {date}
        / {driver} at {co} held steady at {old} {per}
        {co} would not say how its {driver} had developed {per}
        the analysts polled had correctly forecast the {driver} of {co} {per}
        the ownership of {co2} in {co} crossed the {limit} % threshold on {date}
        {co} brings forward the webcast on its quarterly earnings to {date}
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
        old, new = (low, high) if up else (high, low)
        points, percent = f"{high - low:.1f} percentage points", f"{100 * abs(new / old - 1):.1f} %"
        texts = [pattern.replace("#", f"{x:,.{digits}f}") for x in (new, old)]
        return texts[0], texts[1], points if pattern.endswith("%") else percent

    def facts(self, up: bool, good: bool) -> dict[str, str]:
        """What a frame may name besides the move itself."""
        rng, year = self.rng, self.rng.randint(2004, 2010)
        facts = {slot: self.pick(table) for slot, table in WORDS.items()}
        facts |= {slot: self.pick(t).split("|")[not up] for slot, t in BY_MOVE.items()}
        facts |= {slot: self.pick(t).split("|")[not good] for slot, t in BY_OUTCOME.items()}
        facts["reason"] = f" , {facts['reason']}" if rng.random() < 0.75 else ""
        facts |= zip(("better", "worse"), self.levels("m", good), strict=False)
        facts |= zip(("payout", "paid"), self.levels("s", good), strict=False)
        facts |= {"m": self.levels("m", up)[0], "share": f"{rng.uniform(5, 45):.2f}"}
        facts |= {"limit": rng.choice(["5", "10", "20"]), "n": f"{rng.randint(300, 9900):,}"}
        facts |= {"y": f"{year}", "z": f"{year - 1}", "next": f"{year + 1}"}
        facts |= {"d": f"{rng.randint(1, 28)}", "k": f"{rng.randint(6, 190)}"}
        facts["co2"] = rng.choice([c for c in WORDS["co"][self.split] if c != facts["co"]])
        if rng.random() < 0.15:
            facts["co"] = f"{facts['kind']} {facts['co']}"
        return facts

    def sentence(self, label: str) -> str:
        rng, family = self.rng, self.rng.choice(FAMILIES[label])
        frame = self.pick(FRAMES[family])
        outcome = {"positive": 1, "negative": -1}.get(label) or rng.choice([1, -1])
        stated = -outcome if family in ("reversed", "failed") else outcome
        named = [role for role in ("result", "driver") if f"{{{role}}}" in frame]
        role = rng.choice(named or ["result", "driver"])
        worth = 1 if "{asset}" in frame or family == "reversed" else rng.choice(WORTHS)
        name, unit, *forms = self.move(role, worth, stated)

        facts = self.facts(stated * worth > 0, outcome > 0)
        facts |= dict.fromkeys(("q", "result", "driver", "asset"), name)
        facts |= zip(("new", "old", "by"), self.levels(unit, stated * worth > 0), strict=True)
        facts |= zip(("past", "verb", "noun"), forms, strict=True)
        facts["a"] = "an" if facts["noun"][0] in "aeiou" else "a"
        facts["opposite"] = self.pick(MOVES[-stated * worth]).split("|")[0]
        for slot, sign in ("also", outcome), ("contra", -outcome):
            driver, _, past, *_ = self.move("driver", rng.choice(WORTHS), sign)
            facts[slot] = f"{driver} {past}"
        # Periods, dates and amounts hold slots of their own, hence the second pass.
        text = frame.format_map(facts).format_map(facts)
        text = re.sub(r"\[(.*?)\|(.*?)\]", r"\1" if outcome > 0 else r"\2", text)
        return f"{text[0].upper()}{text[1:]} ."


def generate(seed: int = 42) -> dict[str, list[Item]]:
    """Return {"train": [...], "val": [...], "test": [...]} of unique (sentence, label) pairs."""
    rng = random.Random(seed)
    seen: set[str] = set()
    corpus: dict[str, list[Item]] = {split: [] for split in SIZES}
    for split, items in corpus.items():
        writer = _Writer(rng, split)
        for label, share in SHARES.items():
            full = len(items) + round(SIZES[split] * share)
            while len(items) < full:
                text = writer.sentence(label)
                if text not in seen:
                    seen.add(text)
                    items.append((text, label))
        rng.shuffle(items)
    return corpus
