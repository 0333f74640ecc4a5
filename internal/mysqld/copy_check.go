package mysqld

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// checkCopy is how long all the checks before a copy may take together.
const checkCopy = 30 * time.Second

// CheckCopy looks at a server that is to get another one's data, and at that one: see
// topology.CopyCheck. Nothing is changed. What can not be found out is unknown.
func (f *Fleet) CheckCopy(ctx context.Context, q topology.CopyInquiry) []topology.CopyCheck {
	ctx, cancel := context.WithTimeout(ctx, checkCopy)
	defer cancel()
	// Neither has to be a member: a ring is planned, too. Nothing stays of what is only looked at.
	target, source := New(f.cfg, q.Target.ID, q.Target.Addr), New(f.cfg, q.Source.ID, q.Source.Addr)
	defer target.Close()
	defer source.Close()
	c := copyChecks{q: q}
	c.ours, c.theirs = target.Observe(ctx), source.Observe(ctx)
	if !c.answer(c.ours, q.Target) || !c.answer(c.theirs, q.Source) {
		return c.found
	}
	c.kind()
	c.content()
	for _, side := range []struct {
		m    *Member
		look func(context.Context, *conn) error
		what string
	}{{target, c.lookAtTarget, "target"}, {source, c.lookAtSource, "source"}} {
		err := func() error {
			conn, err := side.m.connect(ctx, forTies)
			if err != nil {
				return err
			}
			defer conn.close()
			return side.look(ctx, conn)
		}()
		if err != nil {
			c.add(side.what, topology.CopyUnknown, "it could not be looked at: %v", err)
		}
	}
	c.compareSettings()
	return c.found
}

// copyChecks collects what was found.
type copyChecks struct {
	q            topology.CopyInquiry
	ours, theirs topology.Observation // of the target, of the source
	found        []topology.CopyCheck

	size       uint64 // bytes of the source's tables
	free       uint64 // bytes on the target's disk, 0: not known
	packets    [2]uint64
	lowerCase  [2]string
	binlogKept string
}

func (c *copyChecks) add(name string, v topology.CopyVerdict, format string, args ...any) *topology.CopyCheck {
	c.found = append(c.found, topology.CopyCheck{Name: name, Verdict: v, What: fmt.Sprintf(format, args...)})
	return &c.found[len(c.found)-1]
}

func (c *copyChecks) answer(o topology.Observation, m topology.Member) bool {
	if o.Reach == topology.ReachAnswers {
		c.add("answers", topology.CopyFine, "%s answers at %s: %s", m.ID, m.Addr, o.Version)
		return true
	}
	c.add("answers", topology.CopyRefused, "%s at %s does not answer: %s %s", m.ID, m.Addr, o.Reach, o.Error).Remedy = "start it, and give it the manager's account (docs/accounts.md)"
	return false
}

func (c *copyChecks) kind() {
	switch {
	case c.ours.Version.Series() != c.theirs.Version.Series():
		c.add("series", topology.CopyRefused, "it is %s, the ring has %s: a ring has one release series", c.ours.Version, c.theirs.Version)
	default:
		c.add("series", topology.CopyFine, "both are of series %s", c.ours.Version.Series())
	}
	if missing := topology.UnsafeStatics(c.ours); len(missing) > 0 {
		c.add("config file", topology.CopyRefused, "its config file lacks %s", strings.Join(missing, ", ")).Remedy = "add the lines under [" + c.ours.Version.Section() + "] and restart it"
	} else {
		c.add("config file", topology.CopyFine, "it boots closed, with its binlog")
	}
	if uuid := c.ours.Settings.ServerUUID; uuid != "" && uuid == c.theirs.Settings.ServerUUID {
		c.add("identity", topology.CopyRefused, "its server_uuid is that of %s: it is the same server, or a copy of it", c.q.Source.ID).Remedy = "remove auto.cnf from its data directory and restart it"
	}
	if known, used := c.ours.ServerID, c.theirs.ServerID; known == used && c.q.Target.Addr != c.q.Source.Addr && c.ours.Domain == c.theirs.Domain && c.theirs.Domain != 0 {
		c.add("identity", topology.CopyRefused, "its server_id is %d, which %s has: is it the same server?", known, c.q.Source.ID)
	}
}

func (c *copyChecks) content() {
	if ring := c.ours.Slots.Ring; c.ours.Slots.Sum != 0 && ring != c.theirs.Slots.Ring {
		verdict, but := topology.CopyRefused, ""
		if c.q.Discard {
			verdict, but = topology.CopyWarning, ", which loses it"
		}
		c.add("ring", verdict, "it is of the ring %q, by its table of slots%s", ring, but).Remedy = "if nodes of that ring run, it is theirs: leave it; if that ring is gone: SET SESSION sql_log_bin=0; DROP DATABASE sqlring on it"
	}
	switch {
	case len(c.ours.Schemas) == 0:
		c.add("empty", topology.CopyFine, "it holds nothing")
	case c.q.Discard:
		c.add("empty", topology.CopyWarning, "it holds %s, which is given up", strings.Join(c.ours.Schemas, ", "))
	default:
		c.add("empty", topology.CopyRefused, "it holds %s", strings.Join(c.ours.Schemas, ", ")).Override = "discard_data"
	}
	switch {
	case c.ours.Link.Upstream == "":
	case c.q.Discard:
		c.add("follows", topology.CopyWarning, "it follows %s, which is ended", c.ours.Link.Upstream)
	default:
		check := c.add("follows", topology.CopyRefused, "it follows %s", c.ours.Link.Upstream)
		check.Remedy, check.Override = c.ours.Version.Unfollow(), "discard_data"
	}
}

func (c *copyChecks) grants(ctx context.Context, conn *conn, m topology.Member, needed []string) error {
	t, err := conn.query(ctx, "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee=CONCAT('''',REPLACE(CURRENT_USER(),'@','''@'''),'''')")
	if err != nil {
		return err
	}
	var missing []string
	for _, p := range needed {
		if !slices.ContainsFunc(t.rows, func(row []string) bool { return row[0] == p }) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		c.add("grants", topology.CopyFine, "the manager's account may do on %s what it has to", m.ID)
		return nil
	}
	c.add("grants", topology.CopyRefused, "the manager's account lacks on %s: %s", m.ID, strings.Join(missing, ", ")).Remedy = fmt.Sprintf("there: SET SESSION sql_log_bin=0; GRANT %s ON *.* TO '%s'@'…' WITH GRANT OPTION", strings.Join(missing, ", "), conn.ours[0])
	return nil
}

func (c *copyChecks) lookAtTarget(ctx context.Context, conn *conn) error {
	if err := c.grants(ctx, conn, c.q.Target, conn.copying().target); err != nil {
		return err
	}
	if err := c.settings(ctx, conn, 0); err != nil {
		return err
	}
	// The plugin DISKS tells, where it is installed: kB that are free below the data.
	t, err := conn.query(ctx, "SELECT MIN(Available) FROM information_schema.DISKS WHERE LEFT(@@datadir, LENGTH(Path))=Path AND LENGTH(Path)=(SELECT MAX(LENGTH(Path)) FROM information_schema.DISKS WHERE LEFT(@@datadir, LENGTH(Path))=Path)")
	if err == nil {
		kb, _ := strconv.ParseUint(t.value(), 10, 64)
		c.free = kb * 1024
	}
	return nil
}

func (c *copyChecks) lookAtSource(ctx context.Context, conn *conn) error {
	needed := conn.copying().source
	if c.q.Lock {
		needed = append(needed, "LOCK TABLES")
	}
	if err := c.grants(ctx, conn, c.q.Source, needed); err != nil {
		return err
	}
	if err := c.settings(ctx, conn, 1); err != nil {
		return err
	}
	if err := c.anonymous(ctx, conn); err != nil {
		return err
	}
	t, err := conn.query(ctx, `SELECT table_schema, table_name, IF(table_type='BASE TABLE', IFNULL(engine,''), table_type), IFNULL(data_length,0)+IFNULL(index_length,0)
		FROM information_schema.tables WHERE table_type NOT IN ('VIEW','SEQUENCE') AND table_schema NOT IN `+ours)
	if err != nil {
		return err
	}
	var moving, never []string
	for _, row := range t.rows {
		n, _ := strconv.ParseUint(row[3], 10, 64)
		c.size += n
		switch text := name(row[0], row[1]) + " (" + row[2] + ")"; {
		case row[2] == "InnoDB":
		case lockable(row[2]):
			moving = append(moving, text)
		default:
			never = append(never, text)
		}
	}
	switch {
	case len(never) > 0:
		c.add("engines", topology.CopyRefused, "%s has tables that are not copied: %s", c.q.Source.ID, list(never)).Remedy = "ALTER TABLE … ENGINE=InnoDB, or drop them"
	case len(moving) > 0 && c.q.Lock:
		c.add("engines", topology.CopyWarning, "writes to these tables of %s wait while they are copied: %s", c.q.Source.ID, list(moving))
	case len(moving) > 0:
		check := c.add("engines", topology.CopyRefused, "a snapshot does not hold these tables of %s still: %s", c.q.Source.ID, list(moving))
		check.Remedy, check.Override = "ALTER TABLE … ENGINE=InnoDB", "lock_tables"
	default:
		c.add("engines", topology.CopyFine, "%d tables, all of InnoDB", len(t.rows))
	}
	return nil
}

// anonymous looks for accounts without a name on the source: they come along, and who
// connects from their host gets them in the place of the replication account.
func (c *copyChecks) anonymous(ctx context.Context, conn *conn) error {
	t, err := conn.query(ctx, "SELECT Host FROM mysql.user WHERE User='' AND Host<>'' ORDER BY Host")
	if err != nil || len(t.rows) == 0 {
		return err
	}
	var accounts []string
	for _, row := range t.rows {
		accounts = append(accounts, "''@'"+row[0]+"'")
	}
	check := c.add("anonymous", topology.CopyWarning, "%s has accounts that anybody may log in by: %s; a member that connects from there is taken for them, and refused", c.q.Source.ID, list(accounts))
	check.Remedy = "on " + string(c.q.Source.ID) + ": DROP USER " + strings.Join(accounts, ", ")
	return nil
}

// settings reads what has to be alike on both sides.
func (c *copyChecks) settings(ctx context.Context, conn *conn, side int) error {
	t, err := conn.query(ctx, "SELECT @@global.max_allowed_packet, @@global.lower_case_table_names, "+conn.copying().keeps)
	if err != nil {
		return err
	}
	c.packets[side], _ = strconv.ParseUint(t.rows[0][0], 10, 64)
	c.lowerCase[side], c.binlogKept = t.rows[0][1], t.rows[0][2]
	return nil
}

func (c *copyChecks) compareSettings() {
	if c.lowerCase[0] != c.lowerCase[1] {
		c.add("names", topology.CopyRefused, "lower_case_table_names is %s there and %s on %s: names would not mean the same", c.lowerCase[0], c.lowerCase[1], c.q.Source.ID)
	}
	if c.packets[0] < c.packets[1] {
		c.add("packets", topology.CopyRefused, "its max_allowed_packet is %d, that of %s is %d: a row may not fit", c.packets[0], c.q.Source.ID, c.packets[1]).Remedy = fmt.Sprintf("there, and in its config file: SET GLOBAL max_allowed_packet=%d", c.packets[1])
	}
	switch {
	case c.free == 0:
		how := " (INSTALL SONAME 'disks' lets it)"
		if c.ours.Version.Flavour == topology.FlavourMySQL {
			how = ""
		}
		c.add("disk", topology.CopyUnknown, "the server does not tell how much is free%s; the data are about %d MB with their indexes", how, c.size/1_000_000)
	case c.free < c.size+c.size/4:
		c.add("disk", topology.CopyRefused, "%d MB are free, the data are about %d MB with their indexes", c.free/1_000_000, c.size/1_000_000)
	default:
		c.add("disk", topology.CopyFine, "%d MB are free, the data are about %d MB with their indexes", c.free/1_000_000, c.size/1_000_000)
	}
	if days, err := strconv.ParseFloat(c.binlogKept, 64); err == nil && days > 0 && days < 0.25 {
		c.add("binlogs", topology.CopyWarning, "%s keeps its binlogs for %s days: what is written while its data are copied must still be there afterwards", c.q.Source.ID, c.binlogKept)
	}
}
