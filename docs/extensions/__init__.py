"""Teaches Sphinx what these pages need: tables that are made of the program itself."""
