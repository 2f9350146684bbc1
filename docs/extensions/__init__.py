"""What Sphinx is taught for these pages: tables that are made of the program itself."""
