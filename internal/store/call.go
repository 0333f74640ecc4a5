package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	maxMessage  = 4 << 20          // bytes of a question or an answer
	callTimeout = 10 * time.Second // of a call whose context has no deadline
	callIdle    = time.Minute      // until an idle connection of calls is closed
	spareCalls  = 2                // idle connections to each node
)

// ErrNotReached says that a call did not reach the other node: nothing was done.
var ErrNotReached = errors.New("the node is not reached")

// Handler answers what another node asks. from is the name in its certificate, ""
// in clear text. The error's text reaches the caller. ctx ends with the store.
type Handler func(ctx context.Context, from topology.NodeID, kind string, body []byte) ([]byte, error)

// question and reply are what goes over the wire, each behind its length.
type question struct {
	Kind string          `json:"kind"`
	Left time.Duration   `json:"left"` // until the caller gives up
	Body json.RawMessage `json:"body"`
}

type reply struct {
	Error string          `json:"error,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// Call asks the node at addr. Several may be under way. The error is ErrNotReached
// if the question was surely not heard, a RemoteError if the other node answered
// with one, or anything else: then it may have been heard.
func (s *Store) Call(ctx context.Context, addr, kind string, body []byte) ([]byte, error) {
	if s.port == nil {
		return nil, fmt.Errorf("call %s: %w: this node has no port", addr, ErrNotReached)
	}
	if err := s.gate.enter(); err != nil {
		return nil, fmt.Errorf("call %s: %w: %w", addr, ErrNotReached, err)
	}
	defer s.gate.leave()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	message, err := json.Marshal(question{Kind: kind, Left: time.Until(deadline), Body: body})
	if err != nil {
		return nil, fmt.Errorf("call %s: %w: %w", addr, ErrNotReached, err)
	}
	for {
		conn, fresh, err := s.calls.take(ctx, s.port, addr)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w: %w", addr, ErrNotReached, err)
		}
		answer, heard, err := exchange(ctx, conn, message)
		if err == nil {
			s.calls.keep(addr, conn)
			if answer.Error != "" {
				return nil, &RemoteError{addr, answer.Error}
			}
			return answer.Body, nil
		}
		_ = conn.Close()
		if !fresh && !heard && ctx.Err() == nil {
			continue // the other end had closed what was idle
		}
		return nil, fmt.Errorf("call %s: %w", addr, err)
	}
}

// RemoteError is what another node answered.
type RemoteError struct {
	Addr string // of the node
	Text string
}

func (e *RemoteError) Error() string { return e.Text }

// exchange sends a question and waits for its answer. heard is false if the
// connection was closed before anything came: an idle one that the other end closes
// at the same moment never had the question read.
func exchange(ctx context.Context, conn net.Conn, message []byte) (answer reply, heard bool, err error) {
	deadline, _ := ctx.Deadline()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.SetDeadline(deadline); err != nil {
		return reply{}, false, err
	}
	if err := writeMessage(conn, message); err != nil {
		return reply{}, false, err
	}
	data, err := readMessage(conn)
	if err != nil {
		return reply{}, !errors.Is(err, io.EOF), err
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return reply{}, true, err
	}
	return answer, true, conn.SetDeadline(time.Time{})
}

func writeMessage(w io.Writer, message []byte) error {
	if len(message) > maxMessage {
		return fmt.Errorf("a message of %d bytes, at most %d are sent", len(message), maxMessage)
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	return err
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes, at most %d are read", length, maxMessage)
	}
	message := make([]byte, length)
	_, err := io.ReadFull(r, message)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return message, err
}

// serveCalls answers the calls on one connection, one after the other.
func (s *Store) serveCalls(conn net.Conn, from topology.NodeID) {
	for {
		if conn.SetDeadline(time.Now().Add(callIdle)) != nil {
			return
		}
		data, err := readMessage(conn)
		if err != nil {
			return
		}
		var q question
		var answer reply
		if err := json.Unmarshal(data, &q); err != nil {
			return
		}
		body, err := s.answer(from, q)
		if answer.Body = body; err != nil {
			answer = reply{Error: err.Error()}
		}
		message, err := json.Marshal(answer)
		if err != nil || conn.SetDeadline(time.Now().Add(transportTimeout)) != nil || writeMessage(conn, message) != nil {
			return
		}
	}
}

func (s *Store) answer(from topology.NodeID, q question) ([]byte, error) {
	if err := s.gate.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	ctx, cancel := context.WithTimeout(s.ending, min(max(q.Left, 0), callTimeout))
	defer cancel()
	if q.Kind == kindJoin {
		return s.answerJoin(ctx, from, q.Body)
	}
	handler := s.handler.Load()
	if handler == nil {
		return nil, errors.New("the node is starting")
	}
	return (*handler)(ctx, from, q.Kind, q.Body)
}

// Handle has h answer the calls of other nodes from now on.
func (s *Store) Handle(h Handler) { s.handler.Store(&h) }

// callers keeps idle connections.
type callers struct {
	mu   sync.Mutex
	idle map[string][]net.Conn
}

func (c *callers) take(ctx context.Context, p *port, addr string) (conn net.Conn, fresh bool, err error) {
	c.mu.Lock()
	if n := len(c.idle[addr]); n > 0 {
		conn = c.idle[addr][n-1]
		c.idle[addr] = c.idle[addr][:n-1]
	}
	c.mu.Unlock()
	if conn != nil {
		return conn, false, nil
	}
	conn, err = p.dial(ctx, addr, streamCall)
	return conn, true, err
}

func (c *callers) keep(addr string, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle[addr]) >= spareCalls {
		_ = conn.Close()
		return
	}
	if c.idle == nil {
		c.idle = map[string][]net.Conn{}
	}
	c.idle[addr] = append(c.idle[addr], conn)
}
