"""News frames of the synthetic corpus: sentences with figures, as companies announce them.

Of `[this|that]` the first is good news and the second bad. `generator.py` fills the slots.
"""

from fincompress.data.synthetic.word_tables import tiers

NEWS = {
    "straight": tiers("""
        {q} of {co} {past} to {new} {per} from {old}{reason}
        {co} posted {a} {noun} of {by} in {q}{reason}; {q} at {co} {past}{reason}
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
    "reversed": tiers("""
        {co} no longer expects its {q} to {verb} in {next}
        {co} 's {q} did not {verb} {per} as the company had {wished}
        the {noun} in {co} 's {q} came to an end {per}
        / {co} has withdrawn its estimate that its {q} would {verb} in {next}
        the {noun} in {q} at {co} stopped {per}
        / {co} has abandoned its view that its {q} would {verb} in {next}
        contrary to what {co} had {wished} , its {q} did not {verb} {per}"""),
    "failed": tiers("""
        {co} 's {q} failed to {verb} {per}; {co} sees no sign that its {q} will {verb} in {next}
        there was no improvement in {co} 's {q} {per}
        / {co} has not been able to make its {q} {verb} {per}
        / the long-awaited {noun} in {co} 's {q} did not materialise {per}"""),
    "event": tiers("""
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
    "neutral": tiers("""
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
