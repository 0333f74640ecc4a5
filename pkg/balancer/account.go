package balancer

// ChangesAccounts reports whether text may change who can log in, by its first two
// words. It may overlook a statement, in a batch or a routine for instance, and may
// take another one for such a statement: it is for what can also wait a moment.
func ChangesAccounts(text []byte) bool {
	first, rest := firstWord(text)
	second, _ := firstWord(rest)
	oneOf := func(word []byte, of ...string) bool {
		for _, w := range of {
			if is(word, w) {
				return true
			}
		}
		return false
	}
	switch {
	case oneOf(first, "grant", "revoke"):
		return true
	case oneOf(first, "create", "alter", "drop", "rename"):
		return oneOf(second, "user", "or") // CREATE OR REPLACE USER
	case oneOf(first, "set", "flush"):
		return oneOf(second, "password", "privileges", "local", "no_write_to_binlog")
	}
	return false
}
