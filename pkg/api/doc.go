// Package api is the shape of what a mirror answers over HTTP, as docs/api.md has it: the server writes these types, and the
// commands, the checks and the doctor read them. It holds no logic and imports nothing of the program, so that what reads an
// answer needs nothing of what makes it. Within v1 fields are added, and never renamed, removed or given another meaning: a
// reader takes an absent field, which is one of a mirror of an earlier version, for unknown.
package api
