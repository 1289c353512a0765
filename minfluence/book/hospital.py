"""What the columns of the hospital data say, in words.

The numbers of the ways of discharge are explained in ``IDs_mapping.csv`` of the data set (Strack et
al., 2014), in the words of American hospitals; here they are in plainer ones.
"""

COUNTS = {
    "time_in_hospital": "days in hospital",
    "num_lab_procedures": "laboratory tests",
    "num_procedures": "other procedures",
    "num_medications": "drugs given",
    "number_outpatient": "outpatient visits, year before",
    "number_emergency": "emergency visits, year before",
    "number_inpatient": "stays, year before",
    "number_diagnoses": "diagnoses",
}
DISCHARGE = {
    "1": "went home",
    "2": "to another hospital",
    "3": "to a skilled nursing home",
    "4": "to intermediate care",
    "5": "to other inpatient care",
    "6": "home, with home care",
    "7": "left against advice",
    "8": "home, with infusions",
    "9": "admitted here",
    "10": "newborn, to another hospital",
    "11": "died in hospital",
    "12": "still a patient",
    "13": "to a hospice at home",
    "14": "to a hospice",
    "15": "to a swing bed here",
    "16": "outpatient elsewhere",
    "17": "outpatient here",
    "18": "discharge left empty",
    "19": "died at home, hospice",
    "20": "died elsewhere, hospice",
    "22": "to rehabilitation",
    "23": "to long-term care",
    "24": "to a Medicaid nursing home",
    "25": "discharge not mapped",
    "27": "to a federal hospital",
    "28": "to a psychiatric hospital",
}
OTHERS = {
    "gender_Female": "female",
    "gender_Male": "male",
    "gender_Unknown/Invalid": "gender unknown",
    "race_?": "race not recorded",
    "race_AfricanAmerican": "African American",
    "race_Asian": "Asian",
    "race_Caucasian": "Caucasian",
    "race_Hispanic": "Hispanic",
    "race_Other": "another race",
    "max_glu_serum_>200": "glucose above 200",
    "max_glu_serum_>300": "glucose above 300",
    "max_glu_serum_None": "glucose not measured",
    "max_glu_serum_Norm": "glucose normal",
    "A1Cresult_>7": "HbA1c above 7 %",
    "A1Cresult_>8": "HbA1c above 8 %",
    "A1Cresult_None": "HbA1c not measured",
    "A1Cresult_Norm": "HbA1c normal",
    "change_No": "drugs unchanged",
    "diabetesMed_Yes": "takes diabetes drugs",
}
DOSES = {"Down": "lowered", "No": "none", "Steady": "steady", "Up": "raised"}


def in_words(column: str) -> str:
    """Say what a column of `minfluence.data.diabetes130` holds.

    Parameters
    ----------
    column : str
        One of its `names`.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is none of them.

    Examples
    --------
    >>> in_words("discharge_disposition_id_11"), in_words("age_[0-10)"), in_words("insulin_Up")
    ('died in hospital', 'age 0 to 9', 'insulin: raised')
    """
    if column in COUNTS or column in OTHERS:
        return (COUNTS | OTHERS)[column]
    name, _, value = column.rpartition("_")
    if name == "discharge_disposition_id" and value in DISCHARGE:
        return DISCHARGE[value]
    if name == "age":
        low, high = value.strip("[)").split("-")
        return f"age {low} to {int(high) - 1}"
    if name and value in DOSES:
        return f"{name}: {DOSES[value]}"
    raise ValueError(
        f"Expected a column of the hospital data, such as 'age_[0-10)', not {column!r}."
    )
