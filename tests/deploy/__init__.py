"""What deploy/ has, in the tools and beside the programs that it is for."""
