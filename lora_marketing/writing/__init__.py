"""From briefs to copy that passes: write, mend, guard, rank."""
