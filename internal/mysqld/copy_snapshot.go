package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	// copyPacket bounds what the driver sends in one packet, in bytes; the servers'
	// own limits are lower as a rule.
	copyPacket = 1 << 30
	// copySession keeps values as they are: nothing is converted (binary), instants
	// are UTC, an id of 0 stays 0, and what the source has accepted once is accepted
	// again.
	copySession = `, sql_log_bin=0, net_read_timeout=600, net_write_timeout=600, wait_timeout=28800,
		time_zone='+00:00', foreign_key_checks=0, unique_checks=0, innodb_strict_mode=0,
		innodb_lock_wait_timeout=50, sql_mode='NO_AUTO_VALUE_ON_ZERO', sql_quote_show_create=1, group_concat_max_len=1048576,
		character_set_client=binary, character_set_connection=binary, character_set_results=NULL`
)

// snapshot is one moment of the source, held open by a transaction that reads: no
// lock is taken, and what is changed meanwhile is not seen.
type snapshot struct {
	conn     *conn // reads the rows of InnoDB tables, and nothing else: other engines know no savepoint
	look     *conn // reads definitions, accounts, and tables that are held by locks
	locks    *conn // holds tables that a snapshot does not hold still; nil: none
	position topology.Position
	bytes    uint64 // what the source guesses to hold
	objects  []object
	accounts accountRows
}

// errDefinitionsMoved: somebody changed tables, other objects or accounts while the
// snapshot was taken. It is taken anew.
var errDefinitionsMoved = errors.New("definitions were changed at the same moment")

// openSnapshot reads the definitions, takes the snapshot, and reads them again: if
// they are the same, they are those of the snapshot (S33).
func openSnapshot(ctx context.Context, m *Member, lock bool) (_ *snapshot, err error) {
	s := &snapshot{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, c := range []**conn{&s.conn, &s.look} {
		if *c, err = m.connect(ctx, forCopy); err != nil {
			return nil, err
		}
	}
	before, err := readObjects(ctx, s.look)
	if err != nil {
		return nil, err
	}
	if err := s.lockUnstill(ctx, m, before, lock); err != nil {
		return nil, err
	}
	if s.accounts, err = readAccounts(ctx, s.look); err != nil {
		return nil, err
	}
	if s.position, err = s.conn.copying().snapshot(ctx, m, s); err != nil {
		return nil, err
	}
	if s.objects, err = readObjects(ctx, s.look); err != nil {
		return nil, err
	}
	accounts, err := readAccounts(ctx, s.look)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(before, s.objects, object.same) || !accounts.same(s.accounts) {
		return nil, errDefinitionsMoved
	}
	for _, o := range s.objects {
		s.bytes += o.bytes
	}
	return s, nil
}

// lockable are the engines whose tables a snapshot does not hold still, and that
// hold their rows themselves.
func lockable(engine string) bool {
	return slices.Contains([]string{"MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE"}, engine)
}

// lockUnstill stops writes to the tables that a snapshot does not hold still, by the
// DBA's word alone, from before it is taken until they are copied.
func (s *snapshot) lockUnstill(ctx context.Context, m *Member, objects []object, may bool) error {
	var names, refused []string
	for _, o := range objects {
		switch {
		case o.kind != kindTable || o.engine == "InnoDB":
		case may && lockable(o.engine):
			names = append(names, o.full()+" READ")
		default:
			refused = append(refused, fmt.Sprintf("%s (%s)", o.full(), o.engine))
		}
	}
	if len(refused) > 0 {
		return person("not InnoDB, so a snapshot does not hold them still: %s; ALTER TABLE … ENGINE=InnoDB, or (MyISAM, Aria, MEMORY, CSV, ARCHIVE) --lock-tables, which stops writes to them while they are copied", list(refused))
	}
	if len(names) == 0 {
		return nil
	}
	var err error
	if s.locks, err = m.connect(ctx, forCopy); err != nil {
		return err
	}
	if err := s.locks.execute(ctx, "SET SESSION lock_wait_timeout=30; LOCK TABLES "+strings.Join(names, ", ")); err != nil {
		return fmt.Errorf("lock tables: %w", err)
	}
	return nil
}

// reader returns the connection that reads a table's rows.
func (s *snapshot) reader(o object) *conn {
	if o.engine != "InnoDB" {
		return s.look
	}
	return s.conn
}

// unlock lets writes to the locked tables go on.
func (s *snapshot) unlock() {
	if s.locks != nil {
		s.locks.close()
		s.locks = nil
	}
}

func (s *snapshot) close() {
	s.unlock()
	for _, c := range []*conn{s.conn, s.look} {
		if c != nil {
			c.close()
		}
	}
}

// list joins names, not more than ten of them.
func list(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// name quotes an identifier.
func name(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = "`" + strings.ReplaceAll(p, "`", "``") + "`"
	}
	return strings.Join(quoted, ".")
}
