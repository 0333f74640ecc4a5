package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	kindJoin    = "join"
	joinPause   = 500 * time.Millisecond // between two rounds of asking
	joinTimeout = 3 * time.Second        // of one question
	caughtUp    = 64                     // entries that a voter-to-be may be behind
	keyAgreed   = "agreed"               // in the stable store: the voters that a new cluster is made of
)

// joinRequest is a node that says who it is and what it wants to be.
type joinRequest struct {
	ID      topology.NodeID `json:"id"`
	Addr    string          `json:"addr"`
	Voter   bool            `json:"voter"`
	Fresh   bool            `json:"fresh"` // it has no state, and agreed to nothing
	Expect  int             `json:"expect,omitempty"`
	Known   []Peer          `json:"known,omitempty"`   // fresh voters, itself included, sorted
	Applied uint64          `json:"applied,omitempty"` // what it has of the log
	Passed  bool            `json:"passed,omitempty"`  // on to the leader, by a follower
}

// joinAnswer says how it stands.
type joinAnswer struct {
	Done  bool         `json:"done,omitempty"`  // it is what it wants to be
	Added bool         `json:"added,omitempty"` // it is in the configuration, and more is to come
	Wait  string       `json:"wait,omitempty"`  // why nothing was done
	Fresh *joinRequest `json:"fresh,omitempty"` // who answers has no state either
}

// Join has this node become what its configuration says: it asks the nodes of
// Config.Join until it is in raft's configuration as a voter or an observer. With
// Config.Expect that many voters without a state make a new cluster, once each of
// them knows the same ones. It returns nil when that is done, an error that wraps
// ErrPeer if a person has to see to it, or the error of ctx.
func (s *Store) Join(ctx context.Context) error {
	said := ""
	for {
		done, err := s.joinRound(ctx)
		if done || errors.Is(err, ErrPeer) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			s.log.Info("not joined yet", "why", said)
		}
		timer := time.NewTimer(joinPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-s.gate.closing:
			return ErrStopped
		}
		timer.Stop()
	}
}

// joinRound asks each of the nodes once.
func (s *Store) joinRound(ctx context.Context) (done bool, err error) {
	var errs []error
	for _, addr := range s.cfg.Join {
		if addr == s.Addr() {
			continue
		}
		answer, err := s.askToJoin(ctx, addr)
		switch {
		case errors.Is(err, ErrPeer):
			return false, err
		case err != nil:
			errs = append(errs, err)
		case answer.Done:
			return true, nil
		case answer.Added:
			s.admitted.Store(true)
			return false, errors.New("the log is on its way")
		case answer.Fresh != nil:
			s.note(*answer.Fresh)
			errs = append(errs, fmt.Errorf("%s has no state either", answer.Fresh.ID))
		default:
			errs = append(errs, errors.New(answer.Wait))
		}
	}
	if _, _, known := s.peer(s.cfg.NodeID); known && len(errs) == 0 {
		return true, nil // there is nobody to ask
	}
	if err := s.agree(); err != nil {
		return false, err
	}
	return false, errors.Join(errs...)
}

func (s *Store) askToJoin(ctx context.Context, addr string) (joinAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	return s.sendJoin(ctx, addr, s.request())
}

func (s *Store) sendJoin(ctx context.Context, addr string, r joinRequest) (answer joinAnswer, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	if body, err = s.Call(ctx, addr, kindJoin, body); err != nil {
		var remote *RemoteError
		if errors.As(err, &remote) {
			return answer, fmt.Errorf("%w: %s", ErrPeer, strings.TrimPrefix(remote.Text, ErrPeer.Error()+": "))
		}
		return answer, err
	}
	err = json.Unmarshal(body, &answer)
	return answer, err
}

// request is what this node says of itself.
func (s *Store) request() joinRequest {
	s.newcomers.Lock()
	defer s.newcomers.Unlock()
	return joinRequest{
		ID: s.cfg.NodeID, Addr: s.Addr(), Voter: !s.cfg.Observer, Fresh: s.fresh(), Expect: s.cfg.Expect,
		Known: s.newcomers.sorted(), Applied: s.raft.AppliedIndex(),
	}
}

// fresh reports whether there is no state, nor the promise to take part in a new
// cluster: such a node may have lost its votes (S18).
func (s *Store) fresh() bool { return s.raft.LastIndex() == 0 && !s.agreed.Load() }

// answerJoin answers a node that wants to be in the configuration.
func (s *Store) answerJoin(ctx context.Context, from topology.NodeID, body []byte) ([]byte, error) {
	var r joinRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, err
	}
	if err := topology.ValidName(string(r.ID)); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if s.cfg.TLS != nil && from != r.ID && !r.Passed {
		return nil, fmt.Errorf("node %s shows the certificate of %s: give each node its own (sqlring tls cert create)", r.ID, from)
	}
	answer, err := s.judgeJoin(ctx, r)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

func (s *Store) judgeJoin(ctx context.Context, r joinRequest) (joinAnswer, error) {
	leader, addr := s.Leader()
	switch {
	case s.raft.State() == raft.Leader:
		return s.admit(ctx, r)
	case leader != "" && leader != s.cfg.NodeID && !r.Passed:
		r.Passed = true
		return s.sendJoin(ctx, addr, r)
	case len(s.Peers()) == 0:
		s.note(r)
		own := s.request()
		return joinAnswer{Fresh: &own}, nil
	}
	return joinAnswer{Wait: fmt.Sprintf("%s knows of no leader", s.cfg.NodeID)}, nil
}

// admit takes a node into the configuration: first as one that only listens, then,
// when it has what the log holds, as a voter. A voter that comes without a state has
// lost its votes. That it is let in stands in the audit before it is (S90).
func (s *Store) admit(ctx context.Context, r joinRequest) (joinAnswer, error) {
	s.membership.Lock()
	defer s.membership.Unlock()
	peer, voters, found := s.peer(r.ID)
	add, answer, order := s.raft.AddVoter, joinAnswer{Done: true}, topology.OrderVote
	switch {
	case r.ID == s.cfg.NodeID && r.Addr != s.Addr():
		return joinAnswer{}, fmt.Errorf("%s is the name of the node that leads: each node has its own", r.ID)
	case found && peer.Voter && r.Fresh:
		return joinAnswer{}, fmt.Errorf("%s is a voter, and comes without a state: it has lost its votes. Remove it (sqlring raft remove %s), then start it again", r.ID, r.ID)
	case found && peer.Voter && !r.Voter:
		return joinAnswer{}, fmt.Errorf("%s is a voter, and its file says observer: remove it first (sqlring raft remove %s)", r.ID, r.ID)
	case found && peer.Addr == r.Addr && peer.Voter == r.Voter:
		return joinAnswer{Done: true}, nil
	case !found || peer.Addr != r.Addr && !peer.Voter:
		add, answer, order = s.raft.AddNonvoter, joinAnswer{Added: true}, topology.OrderAdmit
	case peer.Voter: // it has moved
		order = topology.OrderAdmit
	case voters >= MaxVoters:
		return joinAnswer{}, fmt.Errorf("there are %d voters already: let %s be an observer (raft.role)", voters, r.ID)
	case r.Applied == 0 || r.Applied+caughtUp < s.raft.CommitIndex():
		return joinAnswer{Added: true}, nil
	}
	if err := s.noteAdmission(ctx, order, r); err != nil {
		return joinAnswer{Wait: err.Error()}, nil
	}
	s.sole.Store(false) // before anybody else can know of it
	defer s.settleSoleLocked()
	s.log.Info("raft's configuration changes", "node", string(r.ID), "addr", r.Addr, "wants_vote", r.Voter)
	return answer, s.reconfigure(ctx, func() raft.IndexFuture {
		return add(raft.ServerID(r.ID), raft.ServerAddress(r.Addr), 0, changeTimeout)
	})
}

func (s *Store) noteAdmission(ctx context.Context, order topology.NodeOrder, r joinRequest) error {
	if !s.Snapshot().Knows(topology.LawOfOrders) {
		return nil
	}
	part := "an observer"
	if r.Voter {
		part = "a voter"
	}
	return s.Propose(ctx, topology.Command{
		At: time.Now(), By: fmt.Sprintf("%s@%s", r.ID, s.cfg.NodeID), Why: fmt.Sprintf("it asks to be %s, at %s", part, r.Addr),
		Change: topology.NoteOrder{Order: order, Node: r.ID},
	})
}

// settleAddress has the leader's own address in the configuration be the one that it
// has now: the next leader will dial it.
func (s *Store) settleAddress(ctx context.Context) {
	s.membership.Lock()
	defer s.membership.Unlock()
	own, _, found := s.peer(s.cfg.NodeID)
	if !found || own.Addr == s.Addr() {
		return
	}
	err := s.reconfigure(ctx, func() raft.IndexFuture {
		return s.raft.AddVoter(raft.ServerID(s.cfg.NodeID), raft.ServerAddress(s.Addr()), 0, changeTimeout)
	})
	s.log.Info("this node has another address now", "was", own.Addr, "is", s.Addr(), "error", err)
}

// newcomer is a voter without a state, as it was heard of last.
type newcomer struct {
	joinRequest

	at time.Time
}

// note remembers another voter without a state.
func (s *Store) note(r joinRequest) {
	if r.Voter && r.ID != s.cfg.NodeID && s.cfg.Expect > 0 {
		s.newcomers.Lock()
		defer s.newcomers.Unlock()
		s.newcomers.of[r.ID] = newcomer{r, time.Now()}
	}
}

// agree makes a new cluster of the voters that are expected. Each first writes down
// with whom, which is its promise, and then says so; the one with the first name
// begins when it has read the same from all.
func (s *Store) agree() error {
	if s.cfg.Expect < 2 || s.cfg.Observer || len(s.Peers()) > 0 {
		return nil
	}
	s.newcomers.Lock()
	known := s.newcomers.sorted()
	same := true
	for _, p := range known {
		said := s.newcomers.of[p.ID]
		same = same && (p.ID == s.cfg.NodeID || said.Expect == s.cfg.Expect && slices.Equal(said.Known, known))
	}
	s.newcomers.Unlock()
	switch {
	case len(known) < s.cfg.Expect:
		return nil
	case len(known) > s.cfg.Expect:
		return fmt.Errorf("%d nodes are expected and %d are there: %v: correct raft.bootstrap_expect or raft.join", s.cfg.Expect, len(known), known)
	}
	if err := s.promise(known); err != nil {
		return err
	}
	if !same || known[0].ID != s.cfg.NodeID {
		return nil
	}
	var servers []raft.Server
	for _, p := range known {
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Addr)})
	}
	s.log.Info("new cluster", "voters", known)
	return s.raft.BootstrapCluster(raft.Configuration{Servers: servers}).Error()
}

// promise writes down with whom this node begins, and lets raft in.
func (s *Store) promise(known []Peer) error {
	data, err := json.Marshal(known)
	if err != nil {
		return err
	}
	if s.agreed.Load() {
		before, err := s.disk.Get([]byte(keyAgreed))
		if err == nil && !bytes.Equal(before, data) {
			err = fmt.Errorf("%w: this node has promised to begin with %s, now %s are there: if that one was never begun, move %s away and start again",
				ErrPeer, before, data, s.cfg.Dir)
		}
		return err
	}
	if err := s.disk.Set([]byte(keyAgreed), data); err != nil {
		return err
	}
	s.agreed.Store(true)
	s.admitted.Store(true)
	return nil
}

// sorted returns the newcomers and this node itself. The caller holds the lock.
func (n *newcomers) sorted() []Peer {
	if n.self.ID == "" {
		return nil
	}
	peers := []Peer{n.self}
	for _, id := range slices.Sorted(maps.Keys(n.of)) {
		if r := n.of[id]; time.Since(r.at) < 10*joinPause {
			peers = append(peers, Peer{r.ID, r.Addr, true})
		}
	}
	slices.SortFunc(peers, func(a, b Peer) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return peers
}
