package main

import (
	"fmt"
	"strconv"
	"strings"
)

// partial reports whether some cases are left out: then nothing is said of reasons that
// explain nothing.
func (o options) partial() bool { return o.Only != "" || len(o.Spread) > 0 || o.Limit > 0 }

// parseSpread reads "suite=cases,…".
func parseSpread(text string) (map[string]int, error) {
	if text == "" {
		return nil, nil
	}
	counts := map[string]int{}
	for _, part := range strings.Split(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || !isSuite(name) {
			return nil, fmt.Errorf("-spread: %q is not suite=cases", part)
		}
		counts[name] = n
	}
	return counts, nil
}

// spread returns n of the names, evenly over all of them; all if n is 0.
func spread(names []string, n int) []string {
	if n == 0 || n >= len(names) {
		return names
	}
	picked := make([]string, 0, n)
	for i := range n {
		picked = append(picked, names[i*len(names)/n])
	}
	return picked
}
