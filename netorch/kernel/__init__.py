"""The only room that talks to Linux. `door.LinuxKernel` is the class that the other rooms use."""
