package ringcheck

import (
	"fmt"
	"slices"
	"strings"
)

// Group is checks that belong together.
type Group struct {
	Title  string
	Checks []Check
}

// Groups returns all checks, those of the node last.
func Groups() []Group {
	var single, equal []Check
	for _, s := range settings() {
		single = append(single, s.check())
	}
	for _, e := range equalities() {
		equal = append(equal, e.check())
	}
	return []Group{
		{"After a restart", bootChecks()},
		{"Identity, keys, versions", identityChecks()},
		{"Replication and binlogs", replicationChecks()},
		{"Settings of a member", single},
		{"Settings that are the same on all members", equal},
		{"How a server runs", serverChecks()},
		{"Accounts", accountChecks()},
		{"Tables and other objects", dataChecks()},
		{"The node (`sqlring doctor`)", nodeChecks()},
	}
}

// Catalog returns all checks in the order of their groups. Names are unique.
func Catalog() []Check {
	var all []Check
	for _, g := range Groups() {
		all = append(all, g.Checks...)
	}
	return all
}

// Named returns the checks with these names, or an error that names those that are not
// known and what is near. No names: all.
func Named(names []string) ([]Check, error) {
	all := Catalog()
	if len(names) == 0 {
		return all, nil
	}
	var found []Check
	for _, name := range names {
		i := slices.IndexFunc(all, func(c Check) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no check %q%s: `sqlring ring check --list` lists them", name, near(all, name))
		}
		found = append(found, all[i])
	}
	return found, nil
}

func near(all []Check, name string) string {
	for _, c := range all {
		if name != "" && (strings.Contains(c.Name, name) || strings.Contains(name, c.Name)) {
			return fmt.Sprintf(" (did you mean %s?)", c.Name)
		}
	}
	return ""
}

// Needs returns the parts of a member's facts that the checks look at, in reading order.
func Needs(checks []Check) []Part {
	var parts []Part
	for _, p := range Parts() {
		if slices.ContainsFunc(checks, func(c Check) bool { return slices.Contains(c.needs, p) }) {
			parts = append(parts, p)
		}
	}
	return parts
}
