package balancer

// Digests returns the statements of the digest's table, for the test on a real server.
func Digests() []string {
	var all []string
	for _, c := range digests {
		all = append(all, c.text)
	}
	return all
}

// Keywords are all words that the lexer may take for keywords where no hint is.
func Keywords() map[string]bool {
	words := make(map[string]bool)
	for _, w := range keywords.words {
		if w.flags&(isFunctionName|onlyHintName) == 0 {
			words[w.name] = true
		}
	}
	return words
}
