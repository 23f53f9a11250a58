"""The demo's repository and its scripted agent."""
