"""The synthetic corpus: generates labelled sentences of financial news, already split.

The corpus is synthetic: companies, people and figures are invented, and every sentence is a frame
filled from word tables. Scores on it say nothing about real news.

The label is the view of an investor. Often no single word gives it away: what counts is what is
measured (profit or cost), where it went and whether the frame reverses that ("no longer").
Every table has three tiers, separated by "/". The first is common to all parts; the second occurs
in val alone and the third in test alone, so that both need more than the words of training.
"""

import random
import re
from itertools import chain

from fincompress.data.synthetic.event_frames import EVENTS
from fincompress.data.synthetic.news_frames import NEWS
from fincompress.data.synthetic.plain_frames import PLAIN
from fincompress.data.synthetic.press_frames import COMPARED, FIGURES, NO_NEWS, PRESS_WORDS
from fincompress.data.synthetic.word_tables import Tiers, tiers

Item = tuple[str, str]  # sentence, label name

PART_SIZES = {"train": 1800, "val": 360, "test": 360}
SHARES = {"positive": 0.34, "negative": 0.33, "neutral": 0.33}
WORTHS = [1] * 5 + [-1]  # how often more of a quantity is good (1), and how often bad (-1)
OWN_TIER = 0.3  # probability that val and test take a word, or a frame, from their own tier


# Quantities, by whether each is a result or drives one, and whether more of it is good (1) or bad
# (-1). The letter after the colon is the unit. In concessive frames a driver goes one way and a
# result the other; the result decides.
QUANTITIES = {
    ("result", 1): tiers("""
        operating profit:m; net profit:m; pretax profit:m; underlying profit:m; operating margin:p
        return on capital employed:p; earnings per share:s; profit:m; the margin:p
        / pretax earnings:m; net income:m; return on equity:p
        / EBITDA:m; group surplus:m; bottom-line earnings:m; profitability:p"""),
    ("result", -1): tiers("""
        operating loss:m; net loss:m; underlying loss:m; loss per share:s; the loss:m
        / pretax loss:m; loss before taxes:m / group deficit:m; after-tax loss:m"""),
    ("driver", 1): tiers("""
        net sales:m; order intake:m; order backlog:m; cash flow from operations:m; market share:p
        delivery volumes:n; passenger numbers:n; comparable sales:m; capacity utilisation:h
        subscriber numbers:n; interest income:m; equity ratio:h; sales:m; orders:m; exports:m
        / revenue:m; export sales:m; new orders:m; room occupancy:h; production volumes:n
        / turnover:m; orders on hand:m; fee income:m; fleet utilisation:h; visitor numbers:n"""),
    ("driver", -1): tiers("""
        raw material costs:m; personnel expenses:m; net debt:m; credit losses:m; financing costs:m
        energy costs:m; interest-bearing liabilities:m; fixed costs:m; freight costs:m
        impairment charges:m; customer complaints:n; customer churn:p; costs:m; debt:m
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
    1: tiers("""
        rose|rise|rise; increased|increase|increase; grew|grow|increase; climbed|climb|climb
        went up|go up|rise; soared|soar|surge
        / advanced|advance|advance; moved higher|move higher|uptick; picked up|pick up|pick-up
        / surged|surge|surge; jumped|jump|jump; headed up|head up|upturn"""),
    -1: tiers("""
        fell|fall|fall; decreased|decrease|decrease; declined|decline|decline; dropped|drop|drop
        went down|go down|fall; tumbled|tumble|plunge
        / slid|slide|slide; moved lower|move lower|downtick; contracted|contract|contraction
        / slumped|slump|slump; dipped|dip|dip; came down|come down|setback"""),
}
SPECIAL_MOVES = {  # (worth, direction): verbs that only a good quantity, or only a loss, takes
    (1, 1): tiers("""
        improved|improve|improvement / strengthened|strengthen|strengthening
        / recovered|recover|recovery"""),
    (1, -1): tiers("""
        weakened|weaken|weakening / worsened|worsen|worsening
        / deteriorated|deteriorate|deterioration"""),
    (-1, 1): tiers("widened|widen|widening / deepened|deepen|deepening / swelled|swell|swelling"),
    (-1, -1): tiers("narrowed|narrow|narrowing / eased|ease|easing / shrank|shrink|shrinkage"),
}
BY_MOVE = {  # up|down
    "way": tiers("up|down"),
    "extreme": tiers("highest|lowest"),
    "more": tiers("higher|lower"),
    "above": tiers("above|below / exceeding|under / topping|undershooting"),
}
BY_OUTCOME = {  # good|bad: what did not happen had been a fear or a hope
    "wished": tiers("feared|hoped; warned|planned / dreaded|targeted / cautioned|wished"),
    "reason": tiers("""
        thanks to a successful efficiency programme|hit by a strike at its {city} plant
        thanks to its successful turnaround|because of serious delivery problems
        helped by smooth production in {city}|owing to a fire at its {city} plant
        / with its new strategy bearing fruit|amid severe disruptions in {city}
        on the back of well-run operations|because of mounting quality problems
        / reflecting the success of its modern plants|burdened by machine breakdowns
        a reward for excellent management|after a botched system launch"""),
    "adj": tiers("""
        excellent|terrible; good|bad; strong|weak; very satisfactory|unsatisfactory
        encouraging|worrying; better than feared|worse than feared; impressive|disappointing
        the best in years|the worst in years / pleasing|poor; promising|gloomy
        / favourable|dismal; superb|dreadful; rosy|bleak"""),
    "rating": tiers("""
        buy from sell|sell from buy; add from reduce|reduce from add
        / overweight from underweight|underweight from overweight
        / outperform from underperform|underperform from outperform"""),
}
WORDS = {
    "co": tiers("""
        Kolvarex; Tuimetra; Ostvarin; Hallendro; Pelmikko; Sarvonex; Drammodal; Lindvargo; Vestrupa
        Ykkelin; Aurvanta; Jorbekka; Rautamar / Oravelta; Grennholtz; Timbrano; Vaskelo; Ilvaskar
        / Juurtekno; Brontell; Havskardo; Perkolux; Sydvanger; Zelmora"""),
    "thing": tiers("""
        the quarter; the result; demand; the start of the year; the financial situation
        the cash position; trading; the response of customers; the order situation; the outlook
        the year; the report / the season; the trend / the development; the second half"""),
    "who": tiers("""
        {co}; {co}; the company; the group; the firm; the bank; the airline; the retailer
        / the insurer; the carmaker / the brewer; the shipyard"""),
    "sector": tiers("car; paper; steel; retail; energy / travel; food / chemicals; property"),
    "when": tiers("""
        on Monday; on Friday; today; tomorrow; next week; in the autumn; in July
        / on Wednesday; in December / on Saturday; in April"""),
    "than": tiers("""
        than a year earlier; than in {z}; than planned; than analysts had predicted
        / than last time / than before"""),
    "kind": tiers("Finnish group; Norwegian company / Swedish listed firm / Danish concern"),
    "city": tiers("Helsinki; Tampere; Stockholm; Oslo; Tallinn / Riga; Lahti / Aarhus; Leeds"),
    "goods": tiers("harbour cranes; lifts; base stations; heat pumps / welding robots / ferries"),
    "person": tiers("Aino Kettervaara; Lars Bromdahl / Mikko Haltiavuo / Signe Aabrink"),
    "bank": tiers("Nordhavn Bank; Evarsson Securities / Tallmark Bank / Fjellgard Research"),
    "per": tiers("in the third quarter of {y}; in January-March {y}; in {y}"),
    "base": tiers("the corresponding period of {z}; the same period of {z}; the previous year"),
    "date": tiers("{d} May {y}; {d} August {y}; {d} October {y}; {d} February {y}; {d} March {y}"),
    "cur": tiers("EUR; EUR; EUR; SEK; NOK; DKK; USD"),
    "mn": tiers("mn; mn; million"),
}
FRAMES = NEWS | PLAIN
FAMILIES = {
    "positive": ["straight"] * 6 + ["reversed"] + ["event"] * 3 + ["plain"] * 30,
    "negative": ["straight"] * 5 + ["reversed"] + ["failed"] + ["event"] * 3 + ["plain"] * 30,
    "neutral": ["neutral"] + ["plain neutral"] * 4,
}


# What training alone may read: plain statements, with the shares of labels that real corpora have,
# and quantities of which more is bad as often as others.
TRAINING_SHARES = {"positive": 0.4, "negative": 0.25, "neutral": 0.35}
TRAINING_WORTHS = [1, -1]
TRAINING_FRAMES = FRAMES | {
    "figures": tiers(FIGURES),
    "compared": tiers(COMPARED),
    "events": tiers(EVENTS),
    "no news": tiers(NO_NEWS),
}
TRAINING_FAMILIES = {
    "positive": ["figures", "events"] * 5
    + ["compared"] * 2
    + ["straight", "reversed", "event", "plain"],
    "negative": ["figures", "events"] * 5
    + ["compared"] * 2
    + ["straight", "reversed", "failed", "plain"],
    "neutral": ["no news"] * 6 + ["neutral"] + ["plain neutral"] * 3,
}


ARTICLE = re.compile(r"('s|\b(?:its|our|higher|lower)) the (?=margin|loss)")


class _Writer:
    """Writes sentences from the tiers that one part (train, val or test) may use.

    `rng`: of all choices. `split`: the part. `training_only`: whether the sentences are for
    training alone, which has further frames.
    """

    def __init__(self, rng: random.Random, split: str, training_only: bool = False) -> None:
        self.rng, self.split, self.training_only = rng, split, training_only
        self.frames = TRAINING_FRAMES if training_only else FRAMES
        self.families = TRAINING_FAMILIES if training_only else FAMILIES
        self.worths = TRAINING_WORTHS if training_only else WORTHS

    def pick(self, table: Tiers) -> str:
        """Return a random entry: of any tier, if for training alone.

        Else it is one of the common tier or, by chance (`OWN_TIER`), of the part's.
        """
        if self.training_only:
            return self.rng.choice(list(dict.fromkeys(chain(*table.values()))))
        return self.rng.choice(table[self.split if self.rng.random() < OWN_TIER else "train"])

    def move(self, role: str, worth: int, outcome: int) -> list[str]:
        """Return a quantity, its unit, and the forms of a verb that give it the outcome."""
        special = self.rng.random() < 0.5 and (role, worth) != ("driver", -1)
        moves = SPECIAL_MOVES[worth, outcome * worth] if special else MOVES[outcome * worth]
        return [*self.pick(QUANTITIES[role, worth]).split(":"), *self.pick(moves).split("|")]

    def levels(self, unit: str, up: bool) -> tuple[str, str, str]:
        """Return a new level, an old one and the change, as texts."""
        least, most, digits, pattern = UNITS[unit]
        if self.training_only and unit == "m" and self.rng.random() < 0.4:
            least, digits = 20, 0  # whole millions
        low = round(least * (most / least) ** self.rng.random(), digits)
        high = round(low * self.rng.uniform(1.08, 1.5), digits)
        old, new = (low, high) if up else (high, low)
        points, percent = f"{high - low:.1f} percentage points", f"{100 * abs(new / old - 1):.1f} %"
        texts = [pattern.replace("#", f"{x:,.{digits}f}") for x in (new, old)]
        return texts[0], texts[1], points if pattern.endswith("%") else percent

    def facts(self, up: bool, good: bool) -> dict[str, str]:
        """Return the values of all slots of a frame but those of its quantity and verb."""
        rng, year = self.rng, self.rng.randint(2004, 2024 if self.training_only else 2010)
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
        companies = WORDS["co"][self.split]
        if self.training_only:
            facts |= {slot: self.pick(tiers(words)) for slot, words in PRESS_WORDS.items()}
            companies = tiers(PRESS_WORDS["co"])["train"]
        facts["co2"] = rng.choice([c for c in companies if c != facts["co"]])
        if rng.random() < 0.15:
            facts["co"] = f"{facts['kind']} {facts['co']}"
        return facts

    def sentence(self, label: str) -> str:
        """Return a random sentence with that label."""
        rng, family = self.rng, self.rng.choice(self.families[label])
        frame = self.pick(self.frames[family])
        outcome = {"positive": 1, "negative": -1}.get(label) or rng.choice([1, -1])
        stated = -outcome if family in ("reversed", "failed") else outcome
        named = [role for role in ("result", "driver") if f"{{{role}}}" in frame]
        role = rng.choice(named or ["result", "driver"])
        worth = 1 if "{asset}" in frame or family == "reversed" else rng.choice(self.worths)
        name, unit, *forms = self.move(role, worth, stated)

        facts = self.facts(stated * worth > 0, outcome > 0)
        facts |= dict.fromkeys(("q", "result", "driver", "asset"), name)
        facts |= zip(("new", "old", "by"), self.levels(unit, stated * worth > 0), strict=True)
        facts |= zip(("past", "verb", "noun"), forms, strict=True)
        facts["a"] = "an" if facts["noun"][0] in "aeiou" else "a"
        facts["opposite"] = self.pick(MOVES[-stated * worth]).split("|")[0]
        for slot, sign in ("also", outcome), ("contra", -outcome):
            driver, _, past, *_ = self.move("driver", rng.choice(self.worths), sign)
            facts[slot] = f"{driver} {past}"
        # Periods, dates and amounts contain slots themselves, hence the second pass.
        text = frame.format_map(facts).format_map(facts)
        text = re.sub(r"\[(.*?)\|(.*?)\]", r"\1" if outcome > 0 else r"\2", text)
        return f"{text[0].upper()}{text[1:]} ."


def generate_training(count: int, seed: int = 42) -> list[Item]:
    """Return `count` unique sentences with labels, for training alone, in the words of all parts.

    Half of them have spaces as PhraseBank has them (`EUR 5.2 mn .`), the others as people write;
    some of these have no full stop, as headlines. The same seed gives the same sentences, in the
    same order.
    """
    rng = random.Random(seed)
    writer = _Writer(rng, "train", training_only=True)
    items: dict[str, str] = {}
    while len(items) < count:
        label = rng.choices(list(TRAINING_SHARES), list(TRAINING_SHARES.values()))[0]
        # Of the quantities two have an article, which does not go with another word before them.
        text = ARTICLE.sub(r"\1 ", writer.sentence(label))
        items.setdefault(text if rng.random() < 0.5 else _typeset(text, rng), label)
    return list(items.items())


def _typeset(text: str, rng: random.Random) -> str:
    """The text without the spaces before punctuation."""
    text = re.sub(r" (?=[.,;:?%!]|'s\b)", "", text)
    text = re.sub(r"\( (.*?) \)", r"(\1)", text).replace("?.", "?")
    return text.removesuffix(".") if rng.random() < 0.4 else text


def generate(seed: int = 42) -> dict[str, list[Item]]:
    """Return the corpus of `seed`: by part (`train`, `val`, `test`), unique sentences with labels.

    The same seed gives the same sentences, in the same order.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    corpus: dict[str, list[Item]] = {split: [] for split in PART_SIZES}
    for split, items in corpus.items():
        writer = _Writer(rng, split)
        for label, share in SHARES.items():
            full = len(items) + round(PART_SIZES[split] * share)
            while len(items) < full:
                text = writer.sentence(label)
                if text not in seen:
                    seen.add(text)
                    items.append((text, label))
        rng.shuffle(items)
    return corpus
