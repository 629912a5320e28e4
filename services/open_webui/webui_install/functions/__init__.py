"""Functions of Open WebUI, each a file that is whole in itself.

Open WebUI stores their text and runs it in its own process, so they import nothing of ours.
"""
