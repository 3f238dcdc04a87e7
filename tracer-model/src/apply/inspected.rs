//! An inspection: it says nothing of job control, so the state stays as it is; the delta names whose it is.

use super::Cx;
use crate::{event::Inspection, state::Model};

impl Model {
    pub(super) fn inspected(&mut self, cx: &mut Cx, inspection: &Inspection) {
        cx.delta.subject = self.lookup(inspection.task);
    }
}
