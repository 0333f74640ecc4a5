package wire

import "encoding/binary"

// AppendRows appends a result in the text protocol: columns of text, each row with as
// many values. The first packet has number 1; caps are those agreed with the client
// (protocol manual, "Text Resultset").
func AppendRows(dst []byte, caps Capability, status Status, columns []string, rows [][]string) []byte {
	seq := byte(1)
	add := func(payload []byte) { dst, seq = AppendPacket(dst, seq, payload) }
	head := AppendUint(nil, uint64(len(columns)))
	if caps.Has(OptionalMetadata) {
		head = append(head, 1)
	}
	add(head)
	for _, name := range columns {
		add(columnDefinition(name, caps))
	}
	end := OK{Status: status}
	if !caps.Has(DeprecateEOF) {
		add(classicEOF(status))
	}
	for _, row := range rows {
		var payload []byte
		for _, value := range row {
			payload = AppendBytes(payload, []byte(value))
		}
		add(payload)
	}
	if caps.Has(DeprecateEOF) {
		add(end.Append(nil, headerEOF))
	} else {
		add(classicEOF(status))
	}
	return dst
}

func classicEOF(status Status) []byte {
	return binary.LittleEndian.AppendUint16([]byte{headerEOF, 0, 0}, uint16(status&^StatusSessionChanged))
}

// columnDefinition is a column of text in utf8mb4 (protocol manual,
// "ColumnDefinition41"), of no table.
func columnDefinition(name string, caps Capability) []byte {
	const utf8mb4 = 45
	var p []byte
	for _, text := range []string{"def", "", "", "", name, ""} {
		p = AppendBytes(p, []byte(text))
	}
	if caps.Has(ExtendedMetadata) {
		p = append(p, 0)
	}
	p = append(p, 0x0C)
	p = binary.LittleEndian.AppendUint16(p, utf8mb4)
	p = binary.LittleEndian.AppendUint32(p, 4*1024)
	return append(p, typeVarString, 0, 0, 0, 0, 0)
}
