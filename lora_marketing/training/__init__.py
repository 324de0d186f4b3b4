"""TRL's trainers, told what to do.

The only package that knows TRL.
"""
