"""What a person declares: one YAML file, read with a place for everything that is wrong with it.

From the outside in: `loader` opens files; `parsing` runs the stages over a text: `composer` and
`document` (YAML with lines and columns), `interpolation` and `envfile` (variables), `validation`
(every mistake in one run) over `schema`, `forms`, `values`, `units` and `vocabulary` (what may be
written), and `checks` (what must hold between the parts). `resolution` looks up what a topology
refers to on this machine. `problems`, `messages` and `render` are the words and the layout of what
people are told; `schema_json` is the schema for editors.

Exports nothing: who needs one of the small values (`values`, `units`, `problems`, `members`,
`link_*`) must not have to load the schema, which takes half a second. Commands that talk to a
running deployment need no more than those.
"""
