"""What is kept: statements as plain functions of a transaction, and the engines that run them."""
