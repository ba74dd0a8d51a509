// Interop checks and writes logs with golang.org/x/mod/sumdb alone, so that what two implementations agree about is
// not what one of them believes.
//
//	interop check FOLDER VKEY [COSIGNER...]   every entry, tile, receipt and cosignature of a published log
//	interop write FOLDER SIZE                 a log of ours: tiles, checkpoint, key, receipts
//	interop open VKEY                         notes on standard input, each behind its length in four bytes: + or - each
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) >= 3 && args[0] == "check":
		err = check(args[1], args[2], args[3:])
	case len(args) == 3 && args[0] == "write":
		err = write(args[1], args[2])
	case len(args) == 2 && args[0] == "open":
		err = open(args[1])
	default:
		err = errors.New("usage: interop check FOLDER VKEY [COSIGNER...] | write FOLDER SIZE | open VKEY")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "WRONG:", err)
		os.Exit(1)
	}
}

// path is the tile's path as c2sp.org/tlog-tiles has it: no height, and entries instead of data.
func path(t tlog.Tile) string {
	p := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
	return strings.Replace(p, "tile/data/", "tile/entries/", 1)
}

// checkpoint reads origin, size and root; x/mod's own ParseTree knows one origin only.
func checkpoint(text string) (origin string, tree tlog.Tree, err error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) != 4 {
		return "", tree, errors.New("checkpoint lines")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return "", tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return lines[0], tree, err
}

// files reads tiles from a folder.
type files struct{ folder string }

func (f files) Height() int { return height }

func (f files) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		bytes, err := os.ReadFile(filepath.Join(f.folder, path(t)))
		if err != nil {
			return nil, err
		}
		if len(bytes) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path(t), len(bytes))
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

func check(folder, vkey string, cosigners []string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	known := []note.Verifier{verifier}
	for _, text := range cosigners {
		cosigner, err := newCosigner(text)
		if err != nil {
			return err
		}
		known = append(known, cosigner)
	}
	signed, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := head(signed, known)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, files{folder})
	if err := entries(folder, tree, reader); err != nil {
		return err
	}
	// Every stored hash of the tree, from the tiles, must lead to the root: TileHashReader checks what it reads.
	for _, old := range []int64{1, tree.N / 3, tree.N / 2, tree.N - 1, tree.N} {
		if old < 1 {
			continue
		}
		before, err := tlog.TreeHash(old, reader)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old, before); err != nil {
			return err
		}
	}
	receipts, err := filepath.Glob(filepath.Join(folder, "receipts", "*.tlog-proof"))
	if err != nil {
		return err
	}
	for _, name := range receipts {
		if err := receipt(name, known); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Printf("OK %d entries, %d receipts, %d cosigners\n", tree.N, len(receipts), len(cosigners))
	return nil
}

// head opens a checkpoint that all known keys must have signed; the name of the first is the origin.
func head(signed []byte, known []note.Verifier) (tree tlog.Tree, err error) {
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	if len(n.Sigs) != len(known) {
		return tree, fmt.Errorf("%d of %d keys signed", len(n.Sigs), len(known))
	}
	origin, tree, err := checkpoint(n.Text)
	if err == nil && origin != known[0].Name() {
		err = errors.New("checkpoint of " + origin)
	}
	return tree, err
}

// entries hashes every entry and compares it with its leaf in the tiles.
func entries(folder string, tree tlog.Tree, reader tlog.HashReader) error {
	for start := int64(0); start < tree.N; start += 1 << height {
		width := tree.N - start
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: -1, N: start >> height, W: int(width)}
		data, err := os.ReadFile(filepath.Join(folder, path(tile)))
		if err != nil {
			return err
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
		}
		leaves, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			var entry []byte
			if entry, data, err = cut(data); err != nil {
				return err
			}
			if tlog.RecordHash(entry) != leaf {
				return fmt.Errorf("entry %d does not hash to its leaf", start+int64(i))
			}
		}
		if len(data) != 0 {
			return errors.New(path(tile) + " has trailing bytes")
		}
	}
	return nil
}

func cut(data []byte) (entry, rest []byte, err error) {
	if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
		return nil, nil, errors.New("truncated bundle")
	}
	end := 2 + int(binary.BigEndian.Uint16(data))
	return data[2:end], data[end:], nil
}

// receipt checks a c2sp.org/tlog-proof beside its entry.
func receipt(name string, known []note.Verifier) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(strings.TrimSuffix(name, ".tlog-proof") + ".entry")
	if err != nil {
		return err
	}
	parts := strings.SplitN(string(text), "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	if len(parts) != 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("header")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("index")
	}
	index, err := strconv.ParseInt(lines[0][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := head([]byte(parts[1]), known)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// cosigner is c2sp.org/tlog-cosignature, type 0x04, as a note.Verifier.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("cosigner key")
	}
	tagged, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(tagged) != 1+ed25519.PublicKeySize || tagged[0] != 0x04 {
		return nil, errors.New("cosigner key")
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), tagged...))
	c := cosigner{parts[0], binary.BigEndian.Uint32(id[:]), tagged[1:]}
	if fmt.Sprintf("%08x", c.hash) != parts[1] {
		return nil, errors.New("cosigner key id")
	}
	return c, nil
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(sig)
	signed := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), msg...)
	return time < 1<<63 && ed25519.Verify(c.key, signed, sig[8:])
}

// write makes a log of its own, by x/mod's rules of storage, and prints its key.
func write(folder, count string) error {
	size, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return err
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	var bundle []byte
	for i := int64(0); i < size; i++ {
		entry := []byte(fmt.Sprintf("entry %d of go%s", i, strings.Repeat(".", int(i%97))))
		hashes, err := tlog.StoredHashes(i, entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
		bundle = append(bundle, byte(len(entry)>>8), byte(len(entry)))
		bundle = append(bundle, entry...)
		if i == size-1 || i%(1<<height) == 1<<height-1 {
			tile := tlog.Tile{H: height, L: -1, N: i >> height, W: int(i%(1<<height)) + 1}
			if err := put(folder, path(tile), bundle); err != nil {
				return err
			}
			bundle = nil
		}
	}
	for _, tile := range tlog.NewTiles(height, 0, size) {
		data, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return err
		}
		if err := put(folder, path(tile), data); err != nil {
			return err
		}
	}
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		return err
	}
	seed := bytes.Repeat([]byte{7}, 32)
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed), "go.example/log")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("go.example/log\n%d\n%s\n", size, root)
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return err
	}
	for _, index := range []int64{0, size / 3, size - 1} {
		proof, err := tlog.ProveRecord(size, index, reader)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n", index)
		for _, hash := range proof {
			text += hash.String() + "\n"
		}
		if err := put(folder, fmt.Sprintf("receipts/%d.tlog-proof", index), []byte(text+"\n"+string(signed))); err != nil {
			return err
		}
	}
	if err := put(folder, "checkpoint", signed); err != nil {
		return err
	}
	fmt.Println(vkey)
	return nil
}

func put(folder, name string, data []byte) error {
	file := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// open says of each note whether note.Open takes it.
func open(vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var out []byte
	for len(input) >= 4 {
		end := 4 + int(binary.BigEndian.Uint32(input))
		if end > len(input) {
			return errors.New("truncated input")
		}
		mark := byte('+')
		if _, err := note.Open(input[4:end], note.VerifierList(verifier)); err != nil {
			mark = '-'
		}
		out, input = append(out, mark), input[end:]
	}
	_, err = os.Stdout.Write(append(out, '\n'))
	return err
}
