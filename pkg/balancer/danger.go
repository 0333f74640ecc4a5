package balancer

import (
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Hazard is a kind of statement that makes members differ, or stands in the way of a
// takeover, in a way that nobody notices when it is run.
type Hazard uint8

// The hazards. The zero value is none.
const (
	HazardNone Hazard = iota
	// HazardXA is what leads to a prepared transaction: it outlives its session and the server,
	// and a takeover can neither end it nor take it along.
	HazardXA
	// HazardReplication is what changes whether, or as whose, a session's writes go to the
	// other members.
	HazardReplication
	// HazardNumbers is DDL that gives numbers to rows which are there already: each member
	// numbers them in the order in which it has them.
	HazardNumbers
	// HazardValues is DDL that gives rows which are there already values that each member
	// draws for itself. MySQL refuses that itself (1674), MariaDB does not.
	HazardValues
	// HazardLock is GET_LOCK of a name that is the nodes' own: it holds the controller up.
	HazardLock
	// HazardText is a text that is prepared or executed by name: what it says is to be looked at.
	HazardText
	hazardCount
)

// String returns the name by which a configuration permits the hazard.
func (h Hazard) String() string {
	switch h {
	case HazardXA:
		return "xa"
	case HazardReplication:
		return "replication"
	case HazardNumbers, HazardValues:
		return "uneven_ddl"
	case HazardLock:
		return "reserved_locks"
	case HazardNone, HazardText, hazardCount:
	}
	return "none"
}

// HazardNames are the names of hazards, in the order of a configuration's documentation.
func HazardNames() []string { return []string{"xa", "replication", "uneven_ddl", "reserved_locks"} }

// Hazards is a set of hazards. The zero value is empty.
type Hazards uint8

// HazardsNamed returns the set of the hazards with one of the names; others are passed over.
func HazardsNamed(names []string) Hazards {
	var set Hazards
	for h := HazardXA; h < HazardText; h++ {
		if slices.Contains(names, h.String()) {
			set |= 1 << h
		}
	}
	return set
}

// Has reports whether the hazard is in the set.
func (s Hazards) Has(h Hazard) bool { return s>>h&1 != 0 }

// Danger is a hazard that a statement has.
type Danger struct {
	Hazard Hazard
	What   string // as people read it: sql_log_bin, XA START, UUID()
	// Value is where the value stands that a variable is set to, or the text of
	// [HazardText]: an index in [Digester.Values]; -1: it is dangerous whatever it is.
	Value int
	// Table is that of DDL; Column, if it is not "", is what it changes into a column with
	// AUTO_INCREMENT: rows that have 0 or NULL there get a number.
	Table  Table
	Column string
}

// IsReservedLock reports whether a user-level lock of that name is the nodes' own: they keep each
// other apart by it. Servers do not tell capitals from small letters there.
func IsReservedLock(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "sqlring_")
}

// locks notes each GET_LOCK whose name is a literal, in a routine's body too: whether that is
// the nodes' own the literal says. The name may have a character set in front of it.
func (x *extraction) locks(items []item) {
	for i := 0; i+1 < len(items); i++ {
		if !items[i].named("get_lock") || !items[i+1].opens() || i > 0 && items[i-1].kind == '.' {
			continue
		}
		for _, t := range items[i+1 : min(i+4, len(items))] {
			if t.slot >= 0 {
				x.facts.Dangers = append(x.facts.Dangers, Danger{Hazard: HazardLock, What: "GET_LOCK", Value: t.slot})
			}
			if t.slot >= 0 || t.kind == ')' || t.isName() {
				break
			}
		}
	}
}

// Harmless reports whether a value of the danger's variable changes nothing, as a
// literal's text or a server's own word says it: sql_log_bin = 1.
func (d *Danger) Harmless(value string) bool { return harmlessValue(d.What, value) }

// IsOfReplication reports whether the value of a session's variable, in lower case, is one
// that [HazardReplication] is about. known says that the variable is one of those.
func IsOfReplication(name, value string) (is, known bool) {
	known = isReplicationVariable(name, false)
	return known && !harmlessValue(name, value), known
}

// isReplicationVariable names those that change whether, how or as whose a session's
// writes are logged; and of the server's own (global) those that say which transactions it
// has and whose its own are.
func isReplicationVariable(name string, global bool) bool {
	switch name {
	case "server_id", "gtid_domain_id", "binlog_format":
		return true
	case "sql_log_bin", "gtid_next", "gtid_seq_no", "pseudo_slave_mode", "pseudo_replica_mode", "skip_replication":
		return !global
	case "gtid_purged", "gtid_slave_pos", "gtid_binlog_state":
		return global
	}
	return false
}

func harmlessValue(name, value string) bool {
	value = strings.ToLower(strings.Trim(value, `'"`))
	switch name {
	case "sql_log_bin":
		return value == "1" || value == "on" || value == "true" || value == "default"
	case "gtid_next":
		return value == "automatic" || value == "default"
	case "binlog_format":
		return value == "row" || value == "2"
	case "pseudo_slave_mode", "pseudo_replica_mode", "skip_replication", "gtid_seq_no":
		return value == "0" || value == "off" || value == "false" || value == "default"
	}
	return false
}

// sets notes that the variable which was read last is set to what stands in items.
func (x *extraction) sets(items []item) {
	name := x.hazardous
	if x.hazardous = ""; name == "" {
		return
	}
	d := Danger{Hazard: HazardReplication, What: name, Value: -1}
	if len(items) == 1 {
		switch i := items[0]; {
		case i.isName() && harmlessValue(name, i.name):
			return
		case i.slot >= 0:
			d.Value = i.slot
		}
	}
	x.facts.Dangers = append(x.facts.Dangers, d)
}

// endangers notes XA and BINLOG.
func (x *extraction) endangers(h Hazard, what string) {
	x.facts.Dangers = append(x.facts.Dangers, Danger{Hazard: h, What: what, Value: -1})
}

// replicates notes what a member's own replication, and its binlog, are managed by: they are
// the controller's, and which member a statement goes to is the proxy's choice.
func (x *extraction) replicates(verb string) {
	next := x.peek(0)
	if next.is("all") && (verb == "start" || verb == "stop" || verb == "reset") {
		next = x.peek(1)
	}
	switch verb {
	case "start", "stop":
		if !next.is("slave", "replica", "group_replication") && !next.named("slaves", "replicas") {
			return
		}
	case "reset":
		if !next.is("master", "slave", "replica", "binary") {
			return
		}
	case "change":
		if !next.is("master", "replication") {
			return
		}
	case "purge":
	default:
		return
	}
	x.endangers(HazardReplication, strings.ToUpper(verb+" "+max(next.word, next.name)))
}

// xa reads XA. What only ends a transaction, or looks, is no danger: it is how one that is
// there already is got rid of.
func (x *extraction) xa() {
	if next := x.peek(0); next.is("start", "begin", "end", "prepare") {
		x.endangers(HazardXA, "XA "+strings.ToUpper(next.word))
	}
}

// spoken notes a text that PREPARE or EXECUTE IMMEDIATE is given as it is.
func (x *extraction) spoken() {
	for i := x.at; i < len(x.items); i++ {
		if t := x.items[i]; t.slot >= 0 && i > 0 && (x.items[i-1].is("from") || x.items[i-1].named("immediate")) {
			x.facts.Dangers = append(x.facts.Dangers, Danger{Hazard: HazardText, Value: t.slot})
		}
	}
}

// body notes what the statements in a routine's body, or in a block, are dangerous for:
// SET and XA. The names of its own variables are nobody else's.
func (x *extraction) body(items []item) {
	changes := false // the statement has a SET of its own that sets no variables
	for i := 1; i < len(items); i++ {
		t, before := items[i], items[i-1]
		switch {
		case t.kind == ';', t.is("begin", "then", "else", "do", "loop", "repeat", "row"):
			changes = false
		case t.is("update", "insert", "replace", "load"):
			changes = true
		case t.is("xa") && before.kind != '.' && before.kind != ',':
			inner := extraction{items: items, at: i + 1}
			inner.xa()
			x.facts.Dangers = append(x.facts.Dangers, inner.facts.Dangers...)
		case t.is("set") && !changes && !before.is("character", "char", "charset"):
			end := i + 1
			for end < len(items) && items[end].kind != ';' {
				end++
			}
			inner := extraction{items: items[i+1 : end], dialect: x.dialect}
			if inner.peek(0).named("statement") && inner.peek(1).isName() { // SET STATEMENT … FOR
				inner.at++
			}
			for !inner.ended() {
				inner.assignment()
			}
			for _, d := range inner.facts.Dangers {
				if !declares(items, d.What) {
					x.facts.Dangers = append(x.facts.Dangers, d)
				}
			}
		}
	}
}

// declares reports whether a routine has a parameter or a variable of that name.
func declares(items []item, name string) bool {
	for i := 1; i < len(items); i++ {
		before := items[i-1]
		if items[i].named(name) && (before.is("declare", "in", "out", "inout") || before.kind == '(' || before.kind == ',' && i+1 < len(items) && items[i+1].isName()) {
			return true
		}
	}
	return false
}

// uneven reads what ALTER TABLE does to rows that are there: it is behind the table's name.
func (x *extraction) uneven(schema, name string) {
	table := Table{Schema: schema, Name: name, Written: true}
	for at := x.at; at < len(x.items); {
		end, depth := at, 0
		for ; end < len(x.items) && (x.items[end].kind != ',' || depth > 0); end++ {
			switch x.items[end].kind {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		x.unevenClause(table, x.items[at:end])
		at = end + 1
	}
}

// unevenClause reads one of the changes of ALTER TABLE.
func (x *extraction) unevenClause(table Table, clause []item) {
	if len(clause) < 2 || !clause[0].is("add", "modify", "change") {
		return
	}
	for i := 1; i < len(clause); i++ {
		t, before := clause[i], clause[i-1]
		last := i+1 == len(clause)
		switch {
		case t.is("auto_increment") && (last || clause[i+1].kind != '=' && clause[i+1].slot < 0),
			t.is("serial") && before.isName() && !before.is("add", "column", "exists", "after", "references"):
			d := Danger{Hazard: HazardNumbers, What: "ADD … AUTO_INCREMENT", Value: -1, Table: table}
			if !clause[0].is("add") {
				d.What, d.Column = strings.ToUpper(clause[0].word)+" … AUTO_INCREMENT", changedColumn(clause)
			}
			x.facts.Dangers = append(x.facts.Dangers, d)
			return
		case t.is("default") && clause[0].is("add") && x.dialect.Flavour != topology.FlavourMySQL:
			if what := drawn(clause[i+1:]); what != "" {
				x.facts.Dangers = append(x.facts.Dangers, Danger{Hazard: HazardValues, What: "ADD … DEFAULT " + what, Value: -1, Table: table})
				return
			}
		}
	}
}

// changedColumn returns the column that MODIFY or CHANGE is of.
func changedColumn(clause []item) string {
	for _, t := range clause[1:] {
		if t.isName() && !t.is("column", "if", "exists") {
			return t.name
		}
	}
	return ""
}

// drawn returns what of an expression each member has a value of its own for; "" if nothing
// is. The time is that of the statement, and is the same everywhere (all of it seen on 10.11).
func drawn(items []item) string {
	for i, t := range items {
		switch {
		case t.kind == '@':
			return "@@…"
		case t.is("next") || t.named("previous"):
			if i+1 < len(items) && items[i+1].is("value") {
				return "NEXT VALUE"
			}
		case t.is("system_user", "user", "session_user", "current_user") || t.named("current_role"):
			return strings.ToUpper(t.name) + "()"
		case i+1 < len(items) && items[i+1].opens() &&
			t.named("uuid", "uuid_short", "uuid_v4", "uuid_v7", "sys_guid", "rand", "random_bytes", "sysdate", "nextval", "lastval", "setval", "last_insert_id", "version",
				"load_file", "encrypt", "found_rows", "row_count"):
			return strings.ToUpper(t.name) + "()"
		}
	}
	return ""
}

// Unquote returns what the text of a string's literal says, nil for what is none. It is for
// looking at, not for running: of a character behind a backslash the backslash alone goes.
func Unquote(text []byte, noBackslash bool) []byte {
	if len(text) < 2 || text[0] != '\'' && text[0] != '"' || text[len(text)-1] != text[0] {
		return nil
	}
	inner := text[1 : len(text)-1]
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		if c := inner[i]; i+1 < len(inner) && (c == text[0] || c == '\\' && !noBackslash) {
			i++
			if n := inner[i]; c == '\\' && (n == 'n' || n == 't' || n == 'r') {
				out = append(out, ' ')
				continue
			}
		}
		out = append(out, inner[i])
	}
	return out
}
