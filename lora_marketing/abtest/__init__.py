"""A/B results: which text is better, and is that decided?"""
