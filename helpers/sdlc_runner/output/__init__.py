"""What a verb prints: JSON lines, words for people, and compact lines inside a session."""
