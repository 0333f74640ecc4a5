package sim

import (
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// writeKey is how a client counts its writes: each (client, seq) is sent once.
type writeKey struct{ client, seq int }

// txn is one transaction, the same value on every member that has it.
type txn struct {
	gtid   topology.GTID
	ours   bool // a heartbeat: sqlring's own row
	beat   topology.Beat
	key    writeKey
	schema topology.UnitID
	id     uint64          // auto_increment value that the row got
	reg    int             // register that is overwritten; -1: a plain insert
	unit   topology.UnitID // that the schema was a part of when the write was sent
	epoch  uint64          // of the unit then

	replays *txn // what it is written anew of
	direct  bool // past every proxy, on a server that is adopted
	waited  bool // semi-sync was on when it was written
	copied  int  // times that another member received it
}

const registers = 4 // of each unit

// table is the data of one member.
type table struct {
	rows  map[writeKey]*txn
	regs  [maxUnits * registers]writeKey
	maxID uint64
	beats []topology.Beat // sorted by origin, then node
	sum   uint64          // of the rows, whatever their order
}

func newTable() table { return table{rows: map[writeKey]*txn{}} }

// apply makes t visible.
func (b *table) apply(t *txn) {
	if t.ours {
		b.applyBeat(t.beat)
		return
	}
	b.rows[t.key] = t
	b.sum ^= mix(uint64(t.key.client)<<40 ^ uint64(t.key.seq)<<8 ^ t.id<<20)
	if t.reg >= 0 {
		b.regs[t.reg] = t.key
	}
	b.maxID = max(b.maxID, t.id)
}

func (b *table) applyBeat(beat topology.Beat) {
	i, found := slices.BinarySearchFunc(b.beats, beat, func(x, y topology.Beat) int {
		if x.Origin != y.Origin {
			if x.Origin < y.Origin {
				return -1
			}
			return 1
		}
		if x.Node < y.Node {
			return -1
		}
		if x.Node > y.Node {
			return 1
		}
		return 0
	})
	b.beats = slices.Clone(b.beats) // observations share it
	if found {
		b.beats[i] = beat
		return
	}
	b.beats = slices.Insert(b.beats, i, beat)
}

func (b *table) equal(other *table) bool { return b.sum == other.sum && b.regs == other.regs }

// mix spreads a number over 64 bits (splitmix64's finaliser).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// disk is what a crash leaves.
type disk struct {
	binlog    []*txn
	binlogPos topology.Position // gtid_binlog_pos, and what strict mode compares with
	slavePos  topology.Position // gtid_slave_pos
	data      table
	hasRing   bool
	upstream  string                // master.info
	base      basis                 // what the binlog begins after
	events    []topology.EventState // sorted
	slots     topology.SlotTable    // the copy of the table; zero: none
	emptied   bool                  // somebody has typed RESET MASTER since it was filled
}

// log appends t to the binlog: from here on a crash keeps it.
func (d *disk) log(t *txn) {
	d.binlog = append(d.binlog, t)
	d.binlogPos = d.binlogPos.With(t.gtid)
}

// tail returns what the binlog holds above after, in the domains that are named
// there.
func (d *disk) tail(after topology.Position) []*txn {
	var found []*txn
	for _, t := range d.binlog {
		if from, named := after.Last(t.gtid.Domain); named && t.gtid.Seq > from.Seq {
			found = append(found, t)
		}
	}
	return found
}
