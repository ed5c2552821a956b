"""`python -m phoenix_grpc`: the command line."""

from phoenix_grpc.cli import main

if __name__ == "__main__":
    main()
