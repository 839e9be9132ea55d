"""Many prompts: lines are read as they are needed, asked side by side, and answered one result line each."""
