"""Demo: the teacher and its compressed variants, asked side by side in the browser."""
