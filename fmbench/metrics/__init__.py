"""The numbers of the table, one file each."""
