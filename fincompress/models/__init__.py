"""The encoder, its tokenizer, and how checkpoints and artifacts become one."""
