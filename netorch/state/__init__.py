"""Resources, keys, states and plans; the registry of kinds; the planner. Pure."""
