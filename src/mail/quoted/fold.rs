//! Decides line by line what is shown and what is folded.
//!
//! A quotation folds if nothing of the person's follows it, or if an attribution introduces a single one; answers between
//! several quotations keep them, for they make no sense alone. Folding everything is believed only where the marks leave
//! no doubt.

use super::Split;
use super::lines::Line;
use super::signature::{self, Before};
use super::stretches::{Kind, Stretch, cut};
use std::ops::Range;

/// Splits the lines of one body.
pub fn fold(lines: &[Line<'_>]) -> Split {
    let stretches = cut(lines);
    let mut places = vec![Place::Visible; lines.len()];
    place_words(lines, &stretches, &mut places);
    place_quotations(&stretches, &mut places);
    fold_rules_above_history(lines, &mut places);
    show_if_all_folded(lines, &stretches, &mut places);
    let text = |place| text_at(lines, &places, place);
    Split { visible: text(Place::Visible), quoted: text(Place::Quoted), signature: text(Place::Signature) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Visible,
    Quoted,
    Signature,
}

fn place_words(lines: &[Line<'_>], stretches: &[Stretch], places: &mut [Place]) {
    if is_passed_on(lines, stretches) {
        let history = stretches.iter().filter(|stretch| stretch.kind.is_history());
        history.for_each(|stretch| put(places, stretch.lines.clone(), Place::Quoted));
        return;
    }
    let mut before = Before::Nothing;
    for stretch in stretches {
        match stretch.kind {
            Kind::Words => {
                let found = signature::find(lines, stretch.lines.clone(), before);
                for range in found.signature {
                    put(places, range, Place::Signature);
                }
                if let Some(range) = found.history {
                    put(places, range, Place::Quoted);
                }
                if is_shown(lines, &stretch.lines, places) {
                    before = Before::Words;
                }
            }
            Kind::Signature => put(places, stretch.lines.clone(), Place::Signature),
            Kind::Attribution | Kind::History { .. } => put(places, stretch.lines.clone(), Place::Quoted),
            Kind::LeadingHeading | Kind::Quotation { .. } => {}
        }
    }
    // Empty lines and strokes left of a signature are no words of the person's.
    for stretch in stretches.iter().filter(|stretch| stretch.kind == Kind::Words) {
        if !is_shown(lines, &stretch.lines, places) {
            let left = places.iter_mut().take(stretch.lines.end).skip(stretch.lines.start);
            left.filter(|place| **place == Place::Visible).for_each(|place| *place = Place::Signature);
        }
    }
}

/// A mail passed on without own words is shown whole, with its writer's signature.
fn is_passed_on(lines: &[Line<'_>], stretches: &[Stretch]) -> bool {
    let is_written =
        |stretch: &&Stretch| lines.get(stretch.lines.clone()).is_some_and(|lines| !lines.iter().all(Line::is_blank));
    stretches.iter().find(is_written).is_some_and(|first| first.kind == Kind::LeadingHeading)
}

/// Whether any written line of the stretch is visible.
fn is_shown(lines: &[Line<'_>], range: &Range<usize>, places: &[Place]) -> bool {
    range.clone().any(|index| {
        places.get(index) == Some(&Place::Visible)
            && lines.get(index).is_some_and(|line| !line.is_blank() && !line.is_rule())
    })
}

fn place_quotations(stretches: &[Stretch], places: &mut [Place]) {
    let is_written = |stretch: &Stretch| {
        stretch.kind == Kind::LeadingHeading
            || stretch.kind == Kind::Words
                && stretch.lines.clone().any(|index| places.get(index) == Some(&Place::Visible))
    };
    let last_words = stretches.iter().rposition(is_written);
    let first_words = stretches.iter().position(is_written);
    let last_history = stretches.iter().rposition(|stretch| stretch.kind.is_history());
    let is_quotation = |stretch: &&Stretch| matches!(stretch.kind, Kind::Quotation { .. });
    let answered = stretches.iter().take(last_words.unwrap_or(0)).filter(is_quotation).count();
    for (index, stretch) in stretches.iter().enumerate() {
        let Kind::Quotation { introduced } = stretch.kind else { continue };
        let words_follow = last_words.is_some_and(|last| last > index);
        let history_follows = last_history.is_some_and(|last| last > index);
        let folds = match (words_follow, introduced) {
            (true, true) => answered == 1,
            (true, false) => false,
            (false, true) => true,
            // The person quoted something before the client quoted the mail.
            (false, false) => !(history_follows && first_words.is_some_and(|first| first < index)),
        };
        if folds {
            put(places, stretch.lines.clone(), Place::Quoted);
        }
    }
}

fn put(places: &mut [Place], range: Range<usize>, place: Place) {
    places.iter_mut().take(range.end).skip(range.start).for_each(|at| *at = place);
}

/// The line a client draws above what it quotes goes with it; one at the very end parts nothing.
fn fold_rules_above_history(lines: &[Line<'_>], places: &mut [Place]) {
    let mut below = Some(Place::Signature);
    for (index, line) in lines.iter().enumerate().rev() {
        match places.get(index) {
            Some(Place::Visible) if line.is_blank() => {}
            Some(Place::Visible) if line.is_rule() && below.is_some() => {
                put(places, index..index + 1, below.unwrap_or(Place::Quoted));
            }
            Some(Place::Visible) | None => below = None,
            Some(place) => below = Some(*place),
        }
    }
}

/// Where nothing is left to show and the marks leave a doubt, the doubtful text is shown.
fn show_if_all_folded(lines: &[Line<'_>], stretches: &[Stretch], places: &mut [Place]) {
    let shows = |place: Place| {
        lines.iter().zip(places.iter()).any(|(line, at)| *at == place && !line.key.is_empty() && !line.is_rule())
    };
    if shows(Place::Visible) {
        return;
    }
    let sure = |stretch: &Stretch| {
        matches!(stretch.kind, Kind::Attribution | Kind::History { sure: true } | Kind::Quotation { introduced: true })
    };
    if !shows(Place::Quoted) || !stretches.iter().any(sure) {
        places.fill(Place::Visible);
    }
}

/// The lines at one place, runs of empty lines squeezed to one.
fn text_at(lines: &[Line<'_>], places: &[Place], wanted: Place) -> String {
    let mut text = String::new();
    let mut blank = 0;
    for (line, _) in lines.iter().zip(places).filter(|(_, place)| **place == wanted) {
        if line.text.trim().is_empty() {
            blank += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        text.push_str(line.text.trim_end());
    }
    text.trim().to_owned()
}
