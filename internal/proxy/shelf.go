package proxy

import (
	"encoding/binary"

	"github.com/sqlring/sqlring/internal/wire"
)

// shelf has the statements that are prepared on a link, whoever has had them prepared:
// who comes to the link finds there what others have left, and nothing is prepared
// twice. Its ids are the member's; clients never see them. The zero value is empty.
type shelf struct {
	found map[shelfKey]*shelved
	order []shelfKey // oldest first
	loose []uint32   // statements that nobody could find: for the present owner alone
	turn  uint32     // counts owners
}

// shelfKey is what makes two prepared statements the same.
type shelfKey struct {
	text, schema string
	parsed       parsing
}

type shelved struct {
	id         uint32
	parameters uint16
	users      int    // how many of its owner's statements it is
	turn       uint32 // of that owner: of the present one, or nobody uses it
}

// shelfSize is how many statements of others a link keeps.
const shelfSize = 128

func (p *prepared) key() shelfKey { return shelfKey{p.text, p.schema, p.parsed} }

// find returns the statement that p is on this link, for one more use of it.
func (s *shelf) find(p *prepared) (id uint32, parameters uint16, ok bool) {
	e := s.found[p.key()]
	if e == nil || !p.kept {
		return 0, 0, false
	}
	if e.turn != s.turn {
		e.users, e.turn = 0, s.turn
	}
	e.users++
	return e.id, e.parameters, true
}

// put notes that p was prepared, and is used once.
func (s *shelf) put(p *prepared) {
	key := p.key()
	if !p.kept || s.found[key] != nil {
		s.loose = append(s.loose, p.at)
		return
	}
	if s.found == nil {
		s.found = make(map[shelfKey]*shelved)
	}
	s.found[key] = &shelved{p.at, p.parameters, 1, s.turn}
	s.order = append(s.order, key)
}

// drop ends the use of p, and reports whether the member is to close it.
func (s *shelf) drop(p *prepared) bool {
	if e := s.found[p.key()]; e != nil && e.id == p.at {
		if e.users--; e.users > 0 {
			return false
		}
		s.remove(p.key())
		return true
	}
	for i, id := range s.loose {
		if id == p.at {
			s.loose = append(s.loose[:i], s.loose[i+1:]...)
			break
		}
	}
	return true
}

func (s *shelf) remove(key shelfKey) {
	delete(s.found, key)
	for i := range s.order {
		if s.order[i] == key {
			s.order = append(s.order[:i], s.order[i+1:]...)
			return
		}
	}
}

// tidy reports whether succeed has nothing to say.
func (s *shelf) tidy() bool { return len(s.loose) == 0 && len(s.order) <= shelfSize }

// succeed is for a new owner: no statement has a use yet. It returns what is to be
// closed, so that the shelf stays small.
func (s *shelf) succeed() (surplus []uint32) {
	surplus, s.loose = s.loose, nil
	for len(s.order) > shelfSize {
		surplus = append(surplus, s.found[s.order[0]].id)
		s.remove(s.order[0])
	}
	s.turn++
	return surplus
}

// closeStatements has the member close statements. It does not answer to that.
func (l *link) closeStatements(ids []uint32) error {
	for _, id := range ids {
		if err := l.own.Send(binary.LittleEndian.AppendUint32([]byte{byte(wire.ComStmtClose)}, id)); err != nil {
			return err
		}
	}
	return nil
}
