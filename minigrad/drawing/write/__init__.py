"""The third step of drawing, from a Picture and its Layout to a text or a file. There is one module for each
format: `svg`, `html`, `dot`, `mermaid`, `as_json`, `tree`, and `figure` for PNG and PDF. They take colours
from `theme` and explain them by `legend`; `engines` decides which package renders pixels. Every writer
escapes the user's texts for its own format.
"""
