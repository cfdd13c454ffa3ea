"""Resources, keys, states, plans, the registry of kinds and the planner. Nothing here does I/O."""
