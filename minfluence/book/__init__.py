"""What only the book needs: data, pictures, widgets, and the networks behind some features.

Nothing outside this folder imports it; ``mi.data`` is `minfluence.book.data`.
"""
