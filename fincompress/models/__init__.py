"""Models: the encoder, its tokenizer, its storage, and the import of pretrained checkpoints."""
