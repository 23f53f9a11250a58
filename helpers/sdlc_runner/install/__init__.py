"""What is put into a repository for OpenCode, and how it can be taken out again."""
