//! Bringing the four sides of a symbol to its edges, below the size of a pixel.

use super::geometry::{Line, along, between};
use super::ink::Ink;
use crate::codec::Point;
use crate::codec::read::plane::Perspective;

/// The outer corners, clockwise from the top left, and the number of modules between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) corners: [Point; 4],
    pub(super) rows: u32,
    pub(super) columns: u32,
}

/// The sides of a frame in the order of measuring.
const SIDES: [Edge; 4] = [Edge::Top, Edge::Right, Edge::Bottom, Edge::Left];

/// A side of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Top,
    Right,
    Bottom,
    Left,
}

impl Edge {
    /// Whether module `k` of this side, counted to the right or down, is black.
    pub(super) fn black(self, k: u32) -> bool {
        match self {
            Edge::Top => k.is_multiple_of(2),
            Edge::Right => !k.is_multiple_of(2),
            Edge::Bottom | Edge::Left => true,
        }
    }
}

impl Frame {
    /// From the picture to modules.
    pub(super) fn back(&self) -> Option<Perspective> {
        let (w, h) = (self.columns as f32, self.rows as f32);
        let p = |x: f32, y: f32| Point { x, y };
        Perspective::between(self.corners, [p(0.0, 0.0), p(w, 0.0), p(w, h), p(0.0, h)])
    }

    /// From modules (column, row; the outer corner is 0, 0) to the picture.
    pub(super) fn view(&self) -> Option<Perspective> {
        let (w, h) = (self.columns as f32, self.rows as f32);
        let p = |x: f32, y: f32| Point { x, y };
        Perspective::between([p(0.0, 0.0), p(w, 0.0), p(w, h), p(0.0, h)], self.corners)
    }

    /// The modules of a side.
    pub(super) fn count(&self, edge: Edge) -> u32 {
        match edge {
            Edge::Top | Edge::Bottom => self.columns,
            Edge::Right | Edge::Left => self.rows,
        }
    }

    /// The place in modules `k` along a side (to the right or down) and `depth` into the symbol.
    pub(super) fn place(&self, edge: Edge, k: f32, depth: f32) -> Point {
        match edge {
            Edge::Top => Point { x: k, y: depth },
            Edge::Right => Point { x: self.columns as f32 - depth, y: k },
            Edge::Bottom => Point { x: k, y: self.rows as f32 - depth },
            Edge::Left => Point { x: depth, y: k },
        }
    }

    /// How well the two broken borders alternate as they should: 1 is perfect, 0 is chance.
    pub(super) fn rhythm(&self, ink: &Ink<'_>) -> f32 {
        let Some(view) = self.view() else { return 0.0 };
        let side = |edge: Edge| {
            let n = self.count(edge);
            let sum: f32 = (0..n)
                .map(|k| {
                    let p = self.place(edge, k as f32 + 0.5, 0.5);
                    let v = ink.at(view.map(p.x, p.y));
                    (if edge.black(k) { v } else { -v }).signum()
                })
                .sum();
            sum / n as f32
        };
        side(Edge::Top).min(side(Edge::Right))
    }

    /// The corners moved so that the sides lie on the edges of the border's black modules.
    pub(super) fn snapped(&self, ink: &Ink<'_>) -> Option<Self> {
        let view = self.view()?;
        let mut lines = Vec::with_capacity(4);
        for (k, edge) in SIDES.into_iter().enumerate() {
            let points: Vec<Point> = (0..self.count(edge)).filter_map(|k| self.edge_at(ink, &view, edge, k)).collect();
            let (a, b) = (self.corners[k], self.corners[(k + 1) % 4]);
            let line = if points.len() >= 3 { Line::fitted(&points) } else { None };
            lines.push(line.unwrap_or_else(|| Line::through(a, b)));
        }
        let mut corners = self.corners;
        for (k, corner) in corners.iter_mut().enumerate() {
            *corner = lines[(k + 3) % 4].meet(&lines[k])?;
        }
        Some(Self { corners, ..*self })
    }

    /// Where the outer edge of module `k` of a side is in the picture; `None` if the module is white or has no edge near.
    pub(super) fn edge_at(&self, ink: &Ink<'_>, view: &Perspective, edge: Edge, k: u32) -> Option<Point> {
        if !edge.black(k) {
            return None;
        }
        let (a, b) = (self.place(edge, k as f32 + 0.5, 0.6), self.place(edge, k as f32 + 0.5, -0.8));
        crossing(ink, view.map(a.x, a.y), view.map(b.x, b.y), 14)
    }
}

/// Where the way from `a`, which is black, to `b` leaves black; `None` if `a` is white or `b` is not reached.
pub(super) fn crossing(ink: &Ink<'_>, a: Point, b: Point, steps: u32) -> Option<Point> {
    let way = between(a, b);
    let mut before = ink.at(a);
    if before <= 0.0 {
        return None;
    }
    for k in 1..=steps {
        let v = ink.at(along(a, way, k as f32 / steps as f32));
        if v <= 0.0 {
            return Some(along(a, way, (k as f32 - 1.0 + before / (before - v)) / steps as f32));
        }
        before = v;
    }
    None
}
