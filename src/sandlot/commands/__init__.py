"""One module per subcommand of `sandlot`: its flags, and which library function they go to. No logic."""
