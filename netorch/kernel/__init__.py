"""The only room that talks to Linux. The other rooms use the class `linux.LinuxKernel`."""
