package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// HeadroomLineOf lets tests give a column a past.
func HeadroomLineOf(n Node, c autoinc.Column, g autoinc.Growth) HeadroomLine {
	l := lookAt(n, time.Now())
	return l.headroomLine(c, g, l.snap.Ring.Stride)
}

// TakeColumns lets tests give the metrics a past.
func (s *Server) TakeColumns(at time.Time, columns []autoinc.Column) { s.keys.take(at, columns) }
