"""What a demo shows, with names that a test can look for."""

from fincompress.demo.content import ChangedAnswer, Content

CONTENT = Content(
    title="A demo (synthetic)",
    description="What the study is.",
    recommendation="Run the student.",
    notes=("A note that models carry.",),
    variants=("teacher", "student"),
    chosen=("teacher",),
    example="profit rose .",
    examples=("sales fell .",),
    ladder=(("variant", "MB"), ("teacher", "9.0"), ("student", "1.0")),
    measured="Measured somewhere.",
    changed=(
        ChangedAnswer(
            variant="student", text="orders sank .", label="negative",
            teacher="negative 0.90", answer="neutral 0.80",
        ),
    ),
)  # fmt: skip
