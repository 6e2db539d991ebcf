"""The arm: what it observes and may do (`spec`), its tasks and their scripted experts. Knows no simulator."""
