"""The report of a run: records in, Markdown and a picture out. Pure: the same in, the same out."""
